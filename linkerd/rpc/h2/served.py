"""What runs behind a path: a unary method, a watching one, or the reflection service."""

import asyncio
from collections.abc import Mapping
from typing import Final

import grpc

from linkerd.rpc.dispatch import decode, encode, subscribed
from linkerd.rpc.errors import RpcError
from linkerd.rpc.h2.body import Body
from linkerd.rpc.h2.streams import Behind, Stream
from linkerd.rpc.h2.wire import PACK_PREFIX
from linkerd.rpc.methods import Method
from linkerd.rpc.metrics import MethodMetrics, RpcMetrics
from linkerd.rpc.open_calls import OpenCalls

_CANCELLED: Final = grpc.StatusCode.CANCELLED


def served(
    methods: Mapping[str, Method], metrics: RpcMetrics, calls: OpenCalls
) -> dict[bytes, Behind]:
    """What to call for each path."""
    return {
        path.encode(): (Watching if method.watching else Unary)(
            method, metrics.method(method), calls
        )
        for path, method in methods.items()
    }


class _OneRequest:
    """A method that takes one message."""

    def __init__(self, method: Method, metrics: MethodMetrics, calls: OpenCalls) -> None:
        self.method = method
        self.metrics = metrics
        self._calls = calls

    def opened(self, stream: Stream) -> None:
        """As `Behind.opened`."""

    def received(self, stream: Stream, body: Body) -> None:
        """As `Behind.received`: waits for the end."""


class Unary(_OneRequest):
    """Answers with a message."""

    def half_closed(self, stream: Stream, body: Body) -> None:
        """As `Behind.half_closed`."""
        raw = body.only()
        self._calls.begin()
        stream.counted = True
        stream.run(self._serve, raw)

    def left(self, stream: Stream) -> None:
        """As `Behind.left`."""
        if stream.counted:
            self._calls.end()

    async def _serve(self, stream: Stream, raw: bytes) -> None:
        try:
            answer = encode(
                self.method, await self.method.function(decode(self.method, raw), stream.call)
            )
        except asyncio.CancelledError:
            stream.task = None
            stream.finish(_CANCELLED)  # unless its end is what cancelled us
            raise
        except Exception as error:  # noqa: BLE001  # becomes a status
            stream.task = None
            stream.fail(error)
        else:
            stream.task = None
            self.metrics.sent.inc()
            stream.answer(answer, PACK_PREFIX(0, len(answer)))


class Watching(_OneRequest):
    """Answers with a subscription. Has a task only until the method has returned it."""

    def half_closed(self, stream: Stream, body: Body) -> None:
        """As `Behind.half_closed`."""
        raw = body.only()
        try:
            self._calls.enter(stream)
        except RpcError as error:
            stream.begin()
            stream.finish(error.code, error.message)
        else:
            stream.run(self._serve, raw)

    def left(self, stream: Stream) -> None:
        """As `Behind.left`."""
        self._calls.leave(stream)

    async def _serve(self, stream: Stream, raw: bytes) -> None:
        try:
            result = await self.method.function(decode(self.method, raw), stream.call)
            subscription = subscribed(self.method, result)
        except asyncio.CancelledError:
            stream.task = None
            stream.finish(_CANCELLED)  # unless its end is what cancelled us
            raise
        except Exception as error:  # noqa: BLE001  # becomes a status
            stream.task = None
            stream.fail(error)
        else:
            stream.watch(subscription)
