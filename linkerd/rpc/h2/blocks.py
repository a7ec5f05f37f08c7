"""Header blocks, in and out: bounded where a peer says how much there is to do."""

from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Any, Final

from h2.exceptions import DenialOfServiceError
from h2.frame_buffer import FrameBuffer as LibraryBuffer
from hpack import Decoder, Encoder, HeaderTuple, HPACKDecodingError
from hyperframe.frame import ContinuationFrame, Frame, HeadersFrame

from linkerd.rpc.h2.limits import MAX_HEADER_BYTES

_MAX_BLOCKS: Final = 64
_MAX_TABLE_SIZES: Final = (
    2  # RFC 7541, section 4.2: the smallest since the last block, and the last
)
_MAX_KNOWN: Final = 8  # blocks of a peer: one a method is usual
_MAX_KNOWN_BYTES: Final = 64  # of such a block; each stands for a header
_NO_TABLE: Final = b"\x20"  # what a peer's first block says (RFC 7541, section 6.3)
_encoder: Final = Encoder()
_encoder.header_table_size = 0
_encoder.encode(())  # what is to be said once is said
_blocks: dict[tuple[Any, ...], bytes] = {}
_UPDATE: Final = Struct(">LBLL")  # a WINDOW_UPDATE: length and type, flags, stream, increment
_UPDATE_TYPE: Final = 8
_UPDATE_BEGINS: Final = 4 << 8 | _UPDATE_TYPE
_MOST_UPDATES: Final = 64  # at a time
_31_BITS: Final = 2**31 - 1


class StatelessEncoder(Encoder):
    """HPACK without a dynamic table, so that the same headers are the same bytes on every
    connection and are encoded once: 1 us instead of 15 for each answer, and again for each status.
    Each of the few distinct headers we send costs some 20 bytes more on the wire."""

    def __init__(self) -> None:  # one of the library's, with its table, does for all
        self._told = False

    @property
    def header_table_size(self) -> int:
        """None, whatever the peer offers."""
        return 0

    @header_table_size.setter
    def header_table_size(self, value: int) -> None:
        del value

    def encode(self, headers: Iterable[Any], huffman: bool = True) -> bytes:
        """As the library's."""
        key = tuple(headers)
        block = _blocks.get(key)
        if block is None:
            block = _encoder.encode(key, huffman)
            if len(_blocks) < _MAX_BLOCKS:
                _blocks[key] = block
        if self._told:
            return block
        self._told = True
        return _NO_TABLE + block


class BoundedDecoder(Decoder):
    """Refuses blocks that resize the table again and again: a byte each, two microseconds each.
    `resized` is how often the latest block did.

    The calls of a client differ in their messages, not in their headers. So all blocks but its
    first few are indexes alone, and the same ones, which stand for the same headers until a block
    of another kind changes the table: those are looked up, at a hundredth of the cost. `vouched`
    says that somebody found the headers of the latest block, before, to be a request's.
    """

    def __init__(self, max_header_list_size: int) -> None:
        super().__init__(max_header_list_size)
        self.resized = 0
        self.vouched = False
        self._known: dict[bytes, Iterable[HeaderTuple]] = {}
        self._vouched: set[bytes] = set()  # some of them
        self._latest = b""

    def vouch(self) -> None:
        """The headers of the latest block are a request's."""
        if self._latest in self._known:
            self._vouched.add(self._latest)

    def decode(self, data: bytes, raw: bool = False) -> Iterable[HeaderTuple]:
        """The headers of a block, which callers share. `raw` is the same at each call."""
        self.resized = 0
        self._latest = data
        known = self._known.get(data)
        if known is not None:
            self.vouched = data in self._vouched
            return known
        self.vouched = False
        if not _only_indexes(data):
            self._known.clear()
            self._vouched.clear()
            return super().decode(data, raw)
        headers = tuple(super().decode(data, raw))
        if len(self._known) < _MAX_KNOWN and len(data) <= _MAX_KNOWN_BYTES:
            self._known[data] = headers
        return headers

    def _update_encoding_context(self, data: bytes | memoryview) -> int:
        self.resized += 1
        if self.resized > _MAX_TABLE_SIZES:
            raise HPACKDecodingError("more than two changes of the table's size in a block")
        return super()._update_encoding_context(data)


def _only_indexes(block: bytes) -> bool:
    """Whether each byte is a header of the table (RFC 7541, section 6.1), so that the block leaves
    the table as it is. Indexes of more than a byte are rare."""
    return bool(block) and min(block) >= 0x80 and max(block) < 0xFF


class FrameBuffer(LibraryBuffer):
    """Joins no block that is larger than the list it may stand for. `continuations` is how many
    frames the latest block had beyond its first."""

    def __init__(self, max_frame_size: int) -> None:
        super().__init__(server=True)
        self.max_frame_size = max_frame_size
        self.continuations = 0
        self._size = 0
        self._seen: object = None

    def updates(self) -> Sequence[tuple[int, int]]:
        """Takes WINDOW_UPDATEs that come next and are whole and valid, some of them if there are
        many: stream and increment of each. To make a frame of each would cost five times as much,
        and they are most of what a client says that only listens."""
        data = self._data
        if len(data) < _UPDATE.size or data[3] != _UPDATE_TYPE or self._headers_buffer:
            return ()
        found, at, unpack = [], 0, _UPDATE.unpack_from
        last = min(len(data), _MOST_UPDATES * _UPDATE.size) - _UPDATE.size
        while at <= last:
            begins, _flags, stream, increment = unpack(data, at)
            if begins != _UPDATE_BEGINS or not 0 < increment <= _31_BITS:
                break
            found.append((stream & _31_BITS, increment))
            at += _UPDATE.size
        del data[:at]
        return found

    def check_begun(self) -> None:
        """Raises FrameTooLargeError for a frame that has begun; the library does so only once it is
        whole, and keeps up to 16 MiB of it until then."""
        if len(self._data) >= 3:  # bytes of its length
            self._validate_frame_length(int.from_bytes(self._data[:3]))

    def stuck(self) -> bool:
        """Whether the header block that has begun had begun at the last call, too."""
        seen, self._seen = self._seen, next(iter(self._headers_buffer), None)
        return self._seen is not None and self._seen is seen

    def _update_header_buffer(self, f: Frame | None) -> Frame | None:
        if isinstance(f, HeadersFrame):
            self.continuations, self._size = 0, len(f.data)
        elif isinstance(f, ContinuationFrame):
            self.continuations += 1
            self._size += len(f.data)
            if self._size > MAX_HEADER_BYTES:
                raise DenialOfServiceError(f"a block of over {MAX_HEADER_BYTES} bytes of headers")
        return super()._update_header_buffer(f)
