"""The coroutines of the grpcio engine: one for a unary call, one for a watching call.

`subscription.close` runs however the call ends, and every call is counted once with the code that
it ended with (`Canceled` when the client went away).
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Never, TypeAlias
from urllib.parse import unquote

import grpc
import grpc.aio

from linkerd.rpc.dispatch import close, decode, encode, status_of, subscribed
from linkerd.rpc.methods import Method
from linkerd.rpc.metrics import MethodMetrics
from linkerd.rpc.open_calls import Bell, OpenCalls
from linkerd.streams import StreamEnd, Subscription

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


def handler_of(method: Method, metrics: MethodMetrics, calls: OpenCalls) -> Any:
    """What grpcio calls for `method`, with raw bytes in and out."""
    if method.watching:
        return grpc.unary_stream_rpc_method_handler(_watching(method, metrics, calls))
    return grpc.unary_unary_rpc_method_handler(_unary(method, metrics, calls))


class GrpcCall:
    """A `Call` over grpcio's context.

    grpcio reads freed memory when it is asked for the peer of a call that has ended, so `ended`
    cuts the tie; what a method did not look at until then is not to be had afterwards.
    """

    __slots__ = ("_context", "_peer")

    def __init__(self, context: Context) -> None:
        self._context: Context | None = context
        self._peer = ""

    @property
    def metadata(self) -> Mapping[str, str | bytes]:
        """As `Call.metadata`; empty when the call has ended."""
        return dict(self._context.invocation_metadata() or ()) if self._context else {}

    @property
    def peer(self) -> str:
        """As `Call.peer`; empty when the call ended before it was first asked for."""
        if not self._peer and self._context is not None:
            self._peer = unquote(self._context.peer())
        return self._peer

    def time_remaining(self) -> float | None:
        """As `Call.time_remaining`; None when the call has ended."""
        return self._context.time_remaining() if self._context else None

    def ended(self) -> None:
        """The call is over."""
        self._context = None


def _unary(
    method: Method, metrics: MethodMetrics, calls: OpenCalls
) -> Callable[[bytes, Context], Awaitable[bytes]]:
    async def serve(raw: bytes, context: Context) -> bytes:
        began = _begin(metrics)
        code = grpc.StatusCode.CANCELLED
        call = GrpcCall(context)
        calls.begin()
        try:
            answer = encode(method, await method.function(decode(method, raw), call))
            metrics.sent.inc()
            code = grpc.StatusCode.OK
            return answer
        except Exception as error:  # noqa: BLE001  # becomes a status
            code, message = status_of(method, error)
            await _abort(context, code, message)
        finally:
            calls.end()
            call.ended()
            metrics.handled(code, time.monotonic() - began)

    return serve


def _watching(
    method: Method, metrics: MethodMetrics, calls: OpenCalls
) -> Callable[[bytes, Context], Awaitable[None]]:
    async def serve(raw: bytes, context: Context) -> None:
        began = _begin(metrics)
        code = grpc.StatusCode.CANCELLED
        call = GrpcCall(context)
        bell, subscription = Bell(), None
        try:
            calls.enter(bell)
            subscription = subscribed(method, await method.function(decode(method, raw), call))
            await _pump(subscription, bell, context, metrics)
            code = grpc.StatusCode.OK
        except Exception as error:  # noqa: BLE001  # becomes a status
            code, message = status_of(method, error)
            await _abort(context, code, message)
        finally:
            calls.leave(bell)
            if subscription is not None:
                close(method, subscription)
            call.ended()
            metrics.handled(code, time.monotonic() - began)

    return serve


async def _pump(
    subscription: Subscription, bell: Bell, context: Context, metrics: MethodMetrics
) -> None:
    """Writes until the subscription or the server ends the stream."""
    subscription.on_wake(bell.ring)
    while not bell.ended:
        try:
            message = subscription.poll()
        except StreamEnd as end:
            if end.code is grpc.StatusCode.OK:
                return
            raise
        if message is None:
            await bell.wait()
        else:
            await context.write(message)
            metrics.sent.inc()


def _begin(metrics: MethodMetrics) -> float:
    metrics.started.inc()
    metrics.received.inc()
    return time.monotonic()


async def _abort(context: Context, code: grpc.StatusCode, message: str) -> Never:
    if code is grpc.StatusCode.OK:  # an error that claims to be none
        code, message = grpc.StatusCode.INTERNAL, "the method failed with status OK"
    await context.abort(code, message)
