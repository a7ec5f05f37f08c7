"""The coroutines of the grpcio engine: one for a unary call, one for a watching call.

Both are registered as methods that take a stream of messages, and read the one message that comes
themselves: so how many calls wait for theirs, and for how long, is ours to bound. What a call ends
with is decided, counted and let go of before it is said: `subscription.close` runs however the call
ends, and every call is counted once with the code that it ended with (`Canceled` when the client
went away).

An error holds the frames that it passed through, and grpcio's context of a call holds the error
that `abort` raises. So no frame that this error passes through may hold the context, or the two
would wait, with the request, for the garbage collector.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Never, TypeAlias, TypeVar
from urllib.parse import unquote

import grpc
import grpc.aio

from linkerd.rpc.dispatch import Status, close, decode, encode, status_of, subscribed
from linkerd.rpc.errors import RpcError
from linkerd.rpc.methods import Method
from linkerd.rpc.metrics import MethodMetrics
from linkerd.rpc.open_calls import Bell, OpenCalls
from linkerd.streams import StreamEnd, Subscription

REQUEST_SECONDS: Final = 15.0
"""How long the one message of a request may take to come."""

MAX_PENDING: Final = 1_000
"""Calls that wait for it. Core keeps each one's metadata, Python a copy, 44 KB in all at worst."""

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

T = TypeVar("T")

_Serve: TypeAlias = Callable[[object, Context], Awaitable[T]]
_Work: TypeAlias = Callable[[bytes, "GrpcCall", Context], Awaitable[T]]


def handler_of(method: Method, metrics: MethodMetrics, calls: OpenCalls) -> Any:
    """What grpcio calls for `method`, with raw bytes in and out."""
    if method.watching:
        return grpc.stream_stream_rpc_method_handler(_watching(method, metrics, calls))
    return grpc.stream_unary_rpc_method_handler(_unary(method, metrics, calls))


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
        """What the client sent along; empty when the call has ended."""
        return dict(self._context.invocation_metadata() or ()) if self._context else {}

    @property
    def peer(self) -> str:
        """The client's address; empty when the call ended before it was first asked for."""
        if not self._peer and self._context is not None:
            self._peer = unquote(self._context.peer())
        return self._peer

    def time_remaining(self) -> float | None:
        """Seconds until the client's deadline; None without one, and when the call has ended."""
        return self._context.time_remaining() if self._context else None

    def ended(self) -> None:
        """The call is over."""
        self._context = None


def _unary(method: Method, metrics: MethodMetrics, calls: OpenCalls) -> _Serve[bytes]:
    async def answer(raw: bytes, call: GrpcCall, _: Context) -> bytes:
        size = len(raw)
        calls.begin(size)
        try:
            working = method.function(decode(method, raw), call)
            del raw  # what the method has read it may let go of, too
            message = encode(method, await working)
        finally:
            calls.end(size)
        metrics.sent.inc()
        return message

    async def serve(messages: object, context: Context) -> bytes:
        outcome = await _outcome(method, metrics, calls, context, answer)
        if not isinstance(outcome, bytes):
            ending = context.abort(*outcome)
            del messages, context
            await _said(ending)
        return outcome

    return serve


def _watching(method: Method, metrics: MethodMetrics, calls: OpenCalls) -> _Serve[None]:
    async def watch(raw: bytes, call: GrpcCall, context: Context) -> None:
        bell, subscription = Bell(), None
        try:
            calls.enter(bell)
            working = method.function(decode(method, raw), call)
            del raw
            subscription = subscribed(method, await working)
            await _pump(subscription, bell, context, metrics)
        finally:
            calls.leave(bell)
            if subscription is not None:
                close(method, subscription)

    async def serve(messages: object, context: Context) -> None:
        outcome = await _outcome(method, metrics, calls, context, watch)
        if outcome is not None:
            ending = context.abort(*outcome)
            del messages, context
            await _said(ending)

    return serve


async def _outcome(
    method: Method, metrics: MethodMetrics, calls: OpenCalls, context: Context, work: _Work[T]
) -> T | Status:
    """What `work` makes of the request, or the status that the call ends with instead."""
    call, began, code = GrpcCall(context), 0.0, grpc.StatusCode.CANCELLED
    try:
        working = work(await _request(context, calls), call, context)
        began = _begin(metrics)
        result = await working
        code = grpc.StatusCode.OK
        return result
    except grpc.aio.InternalError:
        raise asyncio.CancelledError from None  # core has ended the call meanwhile
    except Exception as error:  # noqa: BLE001  # becomes a status
        code, message = _failure(method, error)
        return code, message
    finally:
        call.ended()
        if began:
            metrics.handled(code, time.monotonic() - began)


async def _request(context: Context, calls: OpenCalls) -> bytes:
    """The message of a request. Raises RpcError when there is none, or not in time."""
    calls.expect(MAX_PENDING)
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            message = await context.read()
    except TimeoutError:
        raise RpcError(
            grpc.StatusCode.CANCELLED, "the request did not come to its end in time"
        ) from None
    finally:
        calls.expected()
    if not isinstance(message, bytes):
        raise RpcError(grpc.StatusCode.UNIMPLEMENTED, "the request has no message")
    return message


async def _said(ending: Awaitable[Never]) -> Never:
    """Ends a call with its status."""
    try:
        await ending
    except grpc.aio.InternalError:
        raise asyncio.CancelledError from None  # core has ended it with one of its own


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


def _failure(method: Method, error: Exception) -> Status:
    code, message = status_of(method, error)
    if code is grpc.StatusCode.OK:  # an error that claims to be none
        return grpc.StatusCode.INTERNAL, "the method failed with status OK"
    return code, message
