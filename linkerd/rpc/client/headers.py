"""What gRPC says in HTTP/2 headers, from a client's side: a call's, and how it ended."""

import base64
import math
import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

import grpc

from linkerd.rpc.client.errors import CallError, DeadlineError, StatusError
from linkerd.rpc.dispatch import shorten
from linkerd.rpc.methods import Signature

Header = tuple[bytes, bytes]
Metadata = Mapping[str, str | bytes]

_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}
# What proxies and servers that are none of gRPC answer, and what gRPC's specification makes of it.
_HTTP_CODES: Final = {
    b"400": grpc.StatusCode.INTERNAL,
    b"401": grpc.StatusCode.UNAUTHENTICATED,
    b"403": grpc.StatusCode.PERMISSION_DENIED,
    b"404": grpc.StatusCode.UNIMPLEMENTED,
    b"429": grpc.StatusCode.UNAVAILABLE,
    b"502": grpc.StatusCode.UNAVAILABLE,
    b"503": grpc.StatusCode.UNAVAILABLE,
    b"504": grpc.StatusCode.UNAVAILABLE,
}
_PROXY_ERROR: Final = b"l5d-proxy-error"
_TEXT: Final = re.compile(r"[ -~]*")
_MOST_UNITS: Final = 99_999_999  # eight digits
_UNITS: Final = ((b"m", 1e3), (b"S", 1.0), (b"H", 1 / 3600))


def request_headers(
    method: Signature, scheme: bytes, authority: str, timeout: float | None, metadata: Metadata
) -> list[Header]:
    """The headers of a call. `timeout` in seconds. Raises ValueError for metadata that cannot be
    sent."""
    headers = [
        (b":method", b"POST"),
        (b":scheme", scheme),
        (b":path", method.path.encode()),
        (b":authority", authority.encode()),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
    ]
    if timeout is not None:
        headers.append((b"grpc-timeout", _timeout(timeout)))
    headers += [_entry(name.lower(), value) for name, value in metadata.items()]
    return headers


def _timeout(seconds: float) -> bytes:
    """Rounded up, in the smallest unit that eight digits hold."""
    for unit, factor in _UNITS:
        count = max(1, math.ceil(seconds * factor))
        if count <= _MOST_UNITS:
            return b"%d%s" % (count, unit)
    return b"%dH" % _MOST_UNITS


def _entry(name: str, value: str | bytes) -> Header:
    if name.endswith("-bin") != isinstance(value, bytes):
        raise ValueError(
            f"metadata {name}: bytes go with names that end with -bin, text with others"
        )
    if isinstance(value, bytes):
        return name.encode(), base64.b64encode(value).rstrip(b"=")
    if not _TEXT.fullmatch(value):
        raise ValueError(f"metadata {name}: its value is not printable ASCII")
    return name.encode(), value.encode()


def refusal_of(headers: Iterable[Header]) -> CallError | None:
    """What response headers say if they are not those of a gRPC call."""
    said = dict(headers)
    status = said.get(b":status", b"")
    if b"grpc-status" in said:
        return None
    if status != b"200":
        code = _HTTP_CODES.get(status, grpc.StatusCode.UNKNOWN)
        why = said.get(_PROXY_ERROR, b"").decode("latin-1")
        text = f"HTTP status {status.decode('latin-1')}{f': {why}' if why else ''}"
        return StatusError(code, shorten(text))
    kind = said.get(b"content-type", b"")
    if not kind.startswith(b"application/grpc"):
        text = f"the answer is not gRPC but {kind.decode('latin-1') or 'of no content type'}"
        return StatusError(grpc.StatusCode.UNKNOWN, shorten(text))
    return None


def end_of(headers: Iterable[Header]) -> CallError | None:
    """The status that a call ended with; None for OK."""
    said = dict(headers)
    number = said.get(b"grpc-status")
    if number is None:
        return StatusError(grpc.StatusCode.INTERNAL, "the call ended without a status")
    code = _CODES.get(int(number)) if number.isdigit() and len(number) < 3 else None
    if code is grpc.StatusCode.OK:
        return None
    message = unquote_to_bytes(said.get(b"grpc-message", b"")).decode(errors="replace")
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineError(shorten(message))  # the server knows our deadline, and may be first
    return StatusError(code or grpc.StatusCode.UNKNOWN, shorten(message))
