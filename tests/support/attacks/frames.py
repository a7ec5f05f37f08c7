"""Frames and header blocks as bytes: what attackers send, right or wrong."""

from collections.abc import Iterator
from itertools import count
from typing import Final, NamedTuple

from tests.support.http2 import frame, framed

__all__ = ["frame", "framed"]

DATA: Final = 0
HEADERS: Final = 1
PRIORITY: Final = 2
RST_STREAM: Final = 3
SETTINGS: Final = 4
PUSH_PROMISE: Final = 5
PING: Final = 6
GOAWAY: Final = 7
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9

END_STREAM: Final = 1
ACK: Final = 1
END_HEADERS: Final = 4
PADDED: Final = 8

INITIAL_WINDOW_SIZE: Final = 4

GET: Final = "/io.linkerd.proxy.destination.Destination/Get"
CERTIFY: Final = "/io.linkerd.proxy.identity.Identity/Certify"

_CHUNK: Final = 16 << 10  # bytes of one write: small enough for a bystander to come between two


def integer(value: int, bits: int, first: int = 0) -> bytes:
    """An integer of HPACK with a prefix of `bits`, the bits before it as in `first`."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = bytearray([first | most]), value - most
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _text(value: bytes) -> bytes:
    return integer(len(value), 7) + value


def literal(name: bytes, value: bytes, *, indexed: bool = False) -> bytes:
    """A header spelt out; `indexed`: that the receiver keeps in its table."""
    return (b"\x40" if indexed else b"\x00") + _text(name) + _text(value)


def block(
    path: str, extra: bytes = b"", *, content_type: bytes = b"application/grpc", post: bool = True
) -> bytes:
    """The headers of a call, and `extra`, already encoded, behind them."""
    return b"".join(
        (
            b"\x83" if post else b"\x82",  # :method
            b"\x86",  # :scheme http
            b"\x04",  # :path
            _text(path.encode()),
            b"\x01",  # :authority
            _text(b"test"),
            b"\x0f\x10",  # content-type
            _text(content_type),
            literal(b"te", b"trailers"),
            extra,
        )
    )


GET_BLOCK: Final = block(GET)
CERTIFY_BLOCK: Final = block(CERTIFY)
HELLO: Final = b"\x0a\x01x"
"""The smallest message that `Get`, `GetProfile` and `Certify` all take for a request."""

TICKS: Final = b"\x0a\x05ticks"
"""The request of a `Get` that is told of a change each `TICK_SECONDS`; each message is the time, in
nanoseconds of the monotonic clock, when the oldest change that it tells of was due."""

TICK_SECONDS: Final = 0.05

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def settings(*pairs: tuple[int, int]) -> bytes:
    """SETTINGS; without pairs an empty one."""
    return frame(SETTINGS, 0, 0, b"".join(k.to_bytes(2) + v.to_bytes(4) for k, v in pairs))


def headers(stream: int, what: bytes, *, end: bool = False, flags: int = END_HEADERS) -> bytes:
    """HEADERS; a block that is longer than a frame continues in CONTINUATIONs."""
    flags |= END_STREAM if end else 0
    if len(what) <= 16384:
        return frame(HEADERS, flags, stream, what)
    parts = [what[at : at + 16384] for at in range(0, len(what), 16384)]
    frames = [frame(HEADERS, flags & ~END_HEADERS, stream, parts[0])]
    frames += [frame(CONTINUATION, 0, stream, part) for part in parts[1:-1]]
    return b"".join([*frames, frame(CONTINUATION, END_HEADERS, stream, parts[-1])])


def data(stream: int, payload: bytes = b"", *, end: bool = False) -> bytes:
    """DATA."""
    return frame(DATA, END_STREAM if end else 0, stream, payload)


def call(stream: int, what: bytes = CERTIFY_BLOCK, message: bytes = HELLO) -> bytes:
    """A whole request."""
    return headers(stream, what) + data(stream, framed(message), end=True)


def reset(stream: int, code: int = 8) -> bytes:
    """RST_STREAM; CANCEL unless told otherwise."""
    return frame(RST_STREAM, 0, stream, code.to_bytes(4))


def window_update(stream: int, size: int) -> bytes:
    """WINDOW_UPDATE."""
    return frame(WINDOW_UPDATE, 0, stream, size.to_bytes(4))


def repeated(what: bytes) -> Iterator[bytes]:
    """`what` without end, in chunks."""
    chunk = what * max(1, _CHUNK // len(what))
    while True:
        yield chunk


class Ids:
    """The ids of a connection's streams, each given out once."""

    def __init__(self) -> None:
        self._ids = count(1, 2)

    def next(self) -> int:
        """Of a new stream."""
        return next(self._ids)


class Heard(NamedTuple):
    """A frame from the server."""

    kind: int
    flags: int
    stream: int
    payload: bytes


class FrameReader:
    """Cuts what a server sends into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, received: bytes) -> list[Heard]:
        """The frames that are whole now."""
        self._buffer += received
        buffer, at, found = self._buffer, 0, []
        while len(buffer) - at >= 9:
            end = at + 9 + int.from_bytes(buffer[at : at + 3])
            if end > len(buffer):
                break
            kind, stream = buffer[at + 3], int.from_bytes(buffer[at + 5 : at + 9])
            found.append(Heard(kind, buffer[at + 4], stream, bytes(buffer[at + 9 : end])))
            at = end
        del buffer[:at]
        return found
