"""What runs behind a path: a unary method, a watching one, or the reflection service."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, TypeAlias

import grpc
from google.protobuf.message import Message

from linkerd.rpc.dispatch import decode, encode, subscribed
from linkerd.rpc.errors import RpcError
from linkerd.rpc.h2.receiving import Receiving
from linkerd.rpc.h2.streams import Handler, Stream
from linkerd.rpc.h2.timers import Cancellable
from linkerd.rpc.h2.wire import PACK_PREFIX
from linkerd.rpc.methods import Method
from linkerd.rpc.metrics import MethodMetrics, RpcMetrics
from linkerd.rpc.open_calls import OpenCalls
from linkerd.streams import Subscription

Spawn: TypeAlias = Callable[[Coroutine[Any, Any, None]], Cancellable]

_CANCELLED: Final = grpc.StatusCode.CANCELLED


def served(
    methods: Mapping[str, Method], metrics: RpcMetrics, calls: OpenCalls, spawn: Spawn
) -> dict[bytes, Handler]:
    """What to call for each path. `spawn` makes a task of a coroutine."""
    return {
        path.encode(): (Watching if method.watching else Unary)(
            method, metrics.method(method), calls, spawn
        )
        for path, method in methods.items()
    }


class _OneRequest(ABC):
    """A method that takes one message. What it returns is made ready for its stream by `_ready`,
    whose errors are the call's as well, and handed over by `_hand_over`."""

    def __init__(
        self, method: Method, metrics: MethodMetrics, calls: OpenCalls, spawn: Spawn
    ) -> None:
        self.method = method
        self.metrics = metrics
        self._calls = calls
        self._spawn = spawn

    def opened(self, stream: Stream) -> None:  # noqa: B027  # nothing is to be done
        """The method waits for the request."""

    def received(self, stream: Stream, receiving: Receiving) -> None:  # noqa: B027  # likewise
        """It waits for the end of the request."""

    @abstractmethod
    def _ready(self, returned: object) -> Any:
        """What the method returned, as the stream takes it."""

    @abstractmethod
    def _hand_over(self, stream: Stream, ready: Any) -> None:
        """Goes on with it."""

    async def _serve(self, stream: Stream, request: Message) -> None:
        try:
            working = self.method.function(request, stream.call)
            del request  # what the method has read it may let go of, too
            ready = self._ready(await working)
        except asyncio.CancelledError:
            stream.returned()
            stream.finish(_CANCELLED)  # unless its end is what cancelled us
            raise
        except Exception as error:  # noqa: BLE001  # becomes a status
            stream.returned()
            stream.fail(error)
        else:
            stream.returned()
            self._hand_over(stream, ready)


class Unary(_OneRequest):
    """Answers with a message."""

    def half_closed(self, stream: Stream, receiving: Receiving) -> None:
        raw = receiving.end()
        stream.begin()
        request = decode(self.method, raw)
        try:
            self._calls.begin(len(raw))
        except RpcError as error:
            stream.finish(error.code, error.message)
        else:
            stream.counted = len(raw)
            stream.run(self._spawn(self._serve(stream, request)))

    def left(self, stream: Stream) -> None:
        if stream.counted is not None:
            self._calls.end(stream.counted)

    def _ready(self, returned: object) -> bytes:
        return encode(self.method, returned)

    def _hand_over(self, stream: Stream, ready: bytes) -> None:
        self.metrics.sent.inc()
        stream.answer(PACK_PREFIX(0, len(ready)), ready)


class Watching(_OneRequest):
    """Answers with a subscription. Has a task only until the method has returned it."""

    def half_closed(self, stream: Stream, receiving: Receiving) -> None:
        raw = receiving.end()
        stream.begin()
        request = decode(self.method, raw)
        try:
            self._calls.enter(stream)
        except RpcError as error:
            stream.finish(error.code, error.message)
        else:
            stream.run(self._spawn(self._serve(stream, request)))

    def left(self, stream: Stream) -> None:
        self._calls.leave(stream)

    def _ready(self, returned: object) -> Subscription:
        return subscribed(self.method, returned)

    def _hand_over(self, stream: Stream, ready: Subscription) -> None:
        stream.watch(ready)
