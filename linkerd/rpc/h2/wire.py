"""Our side of the `h2` library: a connection's state machine, bent where a server needs it.

All frames but two come from the library. DATA frames are ours, because its `send_data` takes 12 us
a frame and copies the payload, as much as a whole turn of a stream may cost: `outbox` packs the
headers below and keeps the books that the library keeps (`outbound_flow_control_window` of stream
and connection). GOAWAY of an orderly end is ours, because the library's `close_connection` also
refuses every frame that comes afterwards, those of calls in progress too.
"""

from collections.abc import Iterable
from struct import Struct
from typing import Any, Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, Event
from h2.exceptions import DenialOfServiceError, ProtocolError
from h2.settings import SettingCodes, Settings
from h2.stream import H2Stream
from hpack import Encoder, HPACKError
from hyperframe.frame import Frame, GoAwayFrame, HeadersFrame

from linkerd.rpc.h2.limits import MAX_HEADER_BYTES

LAST_STREAM_ID: Final = 2**31 - 1

PACK_FRAME: Final = Struct(">BHHL").pack
"""Of a DATA frame: its length's high 8 and low 16 bits, type and flags (0), the stream's id."""

PACK_PREFIX: Final = Struct(">BL").pack
"""Of a gRPC message: the compressed flag and the length."""

PACK_MESSAGE: Final = Struct(">BHHLBL").pack
"""Both, for a message that fits a frame."""

_CONFIG: Final = H2Configuration(
    client_side=False,
    header_encoding=None,
    validate_outbound_headers=False,  # ours, and lower case
    normalize_outbound_headers=False,
    normalize_inbound_headers=False,  # that is about cookies
)
_MAX_BLOCKS: Final = 64
_blocks: dict[tuple[Any, ...], bytes] = {}


class _StatelessEncoder(Encoder):
    """HPACK without a dynamic table, so that the same headers are the same bytes on every
    connection and are encoded once: 1 us instead of 15 for each answer, and again for each status.
    Each of the few distinct headers we send costs some 20 bytes more on the wire."""

    def __init__(self) -> None:
        super().__init__()
        self.header_table.maxsize = 0
        self.table_size_changes.append(0)  # the first block tells the peer

    @property
    def header_table_size(self) -> int:
        """None, whatever the peer offers."""
        return 0

    @header_table_size.setter
    def header_table_size(self, value: int) -> None:
        del value

    def encode(self, headers: Iterable[Any], huffman: bool = True) -> bytes:
        """As the library's."""
        if self.header_table.resized:
            return super().encode(headers, huffman)
        key = tuple(headers)
        block = _blocks.get(key)
        if block is None:
            block = super().encode(key, huffman)
            if len(_blocks) < _MAX_BLOCKS:
                _blocks[key] = block
        return block


class _CompressionError(ProtocolError):
    """Headers that cannot be decompressed."""

    error_code = ErrorCodes.COMPRESSION_ERROR


class Wire(H2Connection):
    """The state machine of one connection."""

    DEFAULT_MAX_HEADER_LIST_SIZE = MAX_HEADER_BYTES
    MAX_CLOSED_STREAMS = 1024  # to judge late frames of; the library's own limit takes megabytes

    def __init__(self, max_concurrent_streams: int) -> None:
        super().__init__(_CONFIG)
        self.encoder = _StatelessEncoder()
        self.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: max_concurrent_streams,
                SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADER_BYTES,
            },
        )

    @property
    def open_inbound_streams(self) -> int:
        """None, to the library: it would count all streams at each new one, and end the connection
        at the first beyond the limit. We count, and refuse just that one."""
        return 0

    def forget(self, stream: H2Stream) -> None:
        """A closed stream is over; the library itself notices only when it counts."""
        if self.streams.pop(stream.stream_id, None) is not None:
            self._closed_streams[stream.stream_id] = stream.closed_by

    def goaway(self, last_stream_id: int) -> None:
        """Says that no stream after `last_stream_id` will be served; the others go on."""
        frame = GoAwayFrame(0, last_stream_id=last_stream_id, error_code=ErrorCodes.NO_ERROR)
        self._prepare_for_sending([frame])

    def _receive_headers_frame(self, frame: HeadersFrame) -> tuple[list[Frame], list[Event]]:
        """The library has the wrong code for what cannot be decompressed."""
        try:
            return super()._receive_headers_frame(frame)
        except DenialOfServiceError:
            raise
        except ProtocolError as error:
            if isinstance(error.__cause__, HPACKError):
                raise _CompressionError(str(error)) from error
            raise

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[Event]]:
        """The peer will open no more; unlike the library we let its open streams go on."""
        event = ConnectionTerminated()
        event.last_stream_id = frame.last_stream_id
        return [], [event]
