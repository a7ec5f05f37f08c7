"""What every engine does with a call, whatever carries it: decode, and turn errors into statuses.

Clients get a code and a short sentence. What we did not foresee is INTERNAL with an id that also
stands in the log beside the stack trace.
"""

import secrets
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError, EncodeError, Message

from linkerd.rpc.methods import Method, RpcError
from linkerd.runtime.logs import get_logger
from linkerd.streams import StreamEnd, Subscription

MAX_MESSAGE_BYTES: Final = 1000  # of an error; trailers share a frame, and proxies log them
_log = get_logger(__name__)

Status = tuple[grpc.StatusCode, str]

_SUBSCRIPTIONS: Final[set[type]] = set()
"""Classes that passed the protocol check, which is slow enough to show when streams open."""


def decode(method: Method, raw: bytes) -> Message:
    """The request. Raises RpcError INVALID_ARGUMENT when the bytes are not that message."""
    try:
        return method.request.FromString(raw)
    except DecodeError:
        raise RpcError(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"request is not a valid {method.request.DESCRIPTOR.full_name} message",
        ) from None


def encode(method: Method, response: Any) -> bytes:
    """The bytes of a unary response, which may be encoded already. Raises TypeError for another
    message than promised."""
    if isinstance(response, bytes):
        return response
    if not isinstance(response, method.response):
        raise TypeError(f"{method.path} returned {type(response).__name__}")
    return response.SerializeToString()


def subscribed(method: Method, result: Any) -> Subscription:
    """Checks what a watching method returned."""
    if type(result) not in _SUBSCRIPTIONS:
        if not isinstance(result, Subscription):
            raise TypeError(f"{method.path} returned {type(result).__name__}, not a Subscription")
        _SUBSCRIPTIONS.add(type(result))
    return result  # type: ignore[no-any-return]  # checked, if not this time then before


def close(method: Method, subscription: Subscription) -> None:
    """Closes; the status of a call does not depend on how that goes."""
    try:
        subscription.close()
    except Exception as error:  # noqa: BLE001  # logged; there is nobody else to tell
        _log.error("a subscription cannot close", method=method.path, exc_info=error)


def status_of(method: Method, error: Exception) -> Status:
    """The status that `error` ends a call with; logs what was not foreseen."""
    if isinstance(error, (RpcError, StreamEnd)):
        return error.code, shorten(error.message)
    for kind in type(error).__mro__:
        if (code := method.errors.get(kind)) is not None:
            _log.debug("refused", method=method.path, code=code.name, error=str(error))
            return code, shorten(str(error))
    error_id = secrets.token_hex(4)
    _log.error("a method failed", method=method.path, error_id=error_id, exc_info=error)
    what = "response cannot be encoded" if isinstance(error, EncodeError) else "internal error"
    return grpc.StatusCode.INTERNAL, f"{what}; the server's log has it under {error_id}"


def shorten(message: str) -> str:
    """`message`, cut to what fits in trailers, without control characters."""
    printable = "".join(
        char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in message
    )
    if len(printable.encode(errors="replace")) <= MAX_MESSAGE_BYTES:
        return printable
    cut = printable.encode(errors="replace")[: MAX_MESSAGE_BYTES - 3].decode(errors="ignore")
    return f"{cut}..."
