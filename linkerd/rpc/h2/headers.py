"""What gRPC says in HTTP/2 headers: the request's, the response's, and the status at the end."""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple
from urllib.parse import quote

import grpc

from linkerd.rpc.errors import RpcError

Header = tuple[bytes, bytes]

_TIMEOUT: Final = re.compile(rb"(\d{1,8})([HMSmun])")
_SECONDS: Final = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_CONTENT_TYPE: Final = re.compile(rb"application/grpc(?:[+;].*)?", re.DOTALL)
_PRINTABLE: Final = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
# Of the transport, not of the call: what `Call.metadata` leaves out.
_RESERVED: Final = frozenset(
    {
        b":method",
        b":scheme",
        b":authority",
        b":path",
        b"host",
        b"te",
        b"content-type",
        b"content-length",
        b"grpc-timeout",
        b"grpc-encoding",
        b"grpc-accept-encoding",
    }
)

RESPONSE: Final[list[Header]] = [
    (b":status", b"200"),
    (b"content-type", b"application/grpc"),
    (b"grpc-accept-encoding", b"identity"),
]
_OK: Final[list[Header]] = [(b"grpc-status", b"0")]


class Request(NamedTuple):
    """The headers of a call. `timeout` in seconds, None without one."""

    path: bytes
    timeout: float | None
    metadata: tuple[Header, ...]


class NotGrpcError(Exception):
    """The request is not one of gRPC; `headers` are the whole answer."""

    def __init__(self, *headers: Header) -> None:
        super().__init__(headers)
        self.headers = list(headers)


def request_of(headers: Iterable[Header]) -> Request:
    """Reads a request. `te` is not looked at: proxies lose it. Raises NotGrpcError, and RpcError
    INTERNAL for a malformed timeout."""
    special: dict[bytes, bytes] = {}
    metadata: list[Header] = []
    for name, value in headers:
        if name in _RESERVED:
            special[name] = value
        else:
            metadata.append((name, value))
    if special.get(b":method") != b"POST":
        raise NotGrpcError((b":status", b"405"), (b"allow", b"POST"))
    if not _CONTENT_TYPE.fullmatch(special.get(b"content-type", b"")):
        raise NotGrpcError((b":status", b"415"), (b"accept", b"application/grpc"))
    timeout = special.get(b"grpc-timeout")
    return Request(
        special.get(b":path", b""),
        None if timeout is None else _timeout(timeout),
        tuple(metadata),
    )


def _timeout(value: bytes) -> float:
    match = _TIMEOUT.fullmatch(value)
    if match is None:
        raise RpcError(grpc.StatusCode.INTERNAL, "grpc-timeout: takes digits and one of HMSmun")
    return int(match[1]) * _SECONDS[match[2]]


def metadata_of(headers: Iterable[Header]) -> Mapping[str, str | bytes]:
    """What the client sent along. A binary value that is no base64 is left out."""
    metadata: dict[str, str | bytes] = {}
    for name, value in headers:
        if not name.endswith(b"-bin"):
            metadata[name.decode("latin-1")] = value.decode("latin-1")
        elif (binary := _binary(value)) is not None:
            metadata[name.decode("latin-1")] = binary
    return metadata


def _binary(value: bytes) -> bytes | None:
    """Base64, mostly unpadded; of several joined by commas the last."""
    last = value.rpartition(b",")[2].strip()
    try:
        return base64.b64decode(last + b"=" * (-len(last) % 4), validate=True)
    except binascii.Error:
        return None


def status(code: grpc.StatusCode, message: str, *, answered: bool) -> list[Header]:
    """The headers that end a call; the only ones if it is not `answered` yet."""
    if code is grpc.StatusCode.OK:
        end = _OK
    else:
        number: tuple[int, str] = code.value
        end = [(b"grpc-status", b"%d" % number[0])]
        if message:
            text = quote(message, safe=_PRINTABLE, errors="replace")
            end.append((b"grpc-message", text.encode()))
    return end if answered else [*RESPONSE, *end]
