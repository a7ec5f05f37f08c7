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

from linkerd.rpc.dispatch import decode, encode, status_of, subscribed
from linkerd.rpc.methods import Method
from linkerd.rpc.metrics import MethodMetrics
from linkerd.rpc.streams import Bell, Streams
from linkerd.streams import StreamEnd, Subscription

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


def handler_of(method: Method, metrics: MethodMetrics, streams: Streams) -> Any:
    """What grpcio calls for `method`, with raw bytes in and out."""
    if method.watching:
        return grpc.unary_stream_rpc_method_handler(_watching(method, metrics, streams))
    return grpc.unary_unary_rpc_method_handler(_unary(method, metrics))


class GrpcCall:
    """A `Call` over grpcio's context."""

    __slots__ = ("_context",)

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def metadata(self) -> Mapping[str, str | bytes]:
        """As `Call.metadata`."""
        return dict(self._context.invocation_metadata() or ())

    @property
    def peer(self) -> str:
        """As `Call.peer`."""
        return unquote(self._context.peer())

    def time_remaining(self) -> float | None:
        """As `Call.time_remaining`."""
        return self._context.time_remaining()


def _unary(method: Method, metrics: MethodMetrics) -> Callable[[bytes, Context], Awaitable[bytes]]:
    async def serve(raw: bytes, context: Context) -> bytes:
        began = _begin(metrics)
        code = grpc.StatusCode.CANCELLED
        try:
            request = decode(method, raw)
            answer = encode(method, await method.function(request, GrpcCall(context)))
            metrics.sent.inc()
            code = grpc.StatusCode.OK
            return answer
        except Exception as error:  # noqa: BLE001  # becomes a status
            code, message = status_of(method, error)
            await _abort(context, code, message)
        finally:
            metrics.handled(code, time.monotonic() - began)

    return serve


def _watching(
    method: Method, metrics: MethodMetrics, streams: Streams
) -> Callable[[bytes, Context], Awaitable[None]]:
    async def serve(raw: bytes, context: Context) -> None:
        began = _begin(metrics)
        code = grpc.StatusCode.CANCELLED
        bell = subscription = None
        try:
            bell = streams.enter()
            request = decode(method, raw)
            subscription = subscribed(method, await method.function(request, GrpcCall(context)))
            await _pump(subscription, bell, context, metrics)
            code = grpc.StatusCode.OK
        except Exception as error:  # noqa: BLE001  # becomes a status
            code, message = status_of(method, error)
            await _abort(context, code, message)
        finally:
            if subscription is not None:
                subscription.close()
            if bell is not None:
                streams.leave(bell)
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
