"""One call on a connection, from its request to its status.

While it watches, this is all there is of it: no task, no queue. Whatever ends it (its subscription,
the method, the client, a deadline, the server, a lost connection) passes through `_let_go`, once.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import grpc
from h2.errors import ErrorCodes
from h2.stream import H2Stream

from linkerd.rpc.dispatch import close, status_of
from linkerd.rpc.h2.body import Body
from linkerd.rpc.h2.call import H2Call
from linkerd.rpc.methods import Method
from linkerd.rpc.metrics import MethodMetrics
from linkerd.streams import StreamEnd, Subscription

_UNFORESEEN: Final = (grpc.StatusCode.INTERNAL, "the method failed with status OK")


class Behind(Protocol):
    """What runs behind a path; `linkerd.rpc.h2.served` has the kinds."""

    method: Method
    metrics: MethodMetrics

    def opened(self, stream: "Stream") -> None:
        """The headers have come."""

    def received(self, stream: "Stream", body: Body) -> None:
        """Some of the request has come. May raise RpcError."""

    def half_closed(self, stream: "Stream", body: Body) -> None:
        """All of the request has come. May raise RpcError."""

    def left(self, stream: "Stream") -> None:
        """The stream is off the connection; called once, also when it never began."""


class Sender(Protocol):
    """Where streams put themselves when they have something to say; `Outbox`."""

    def ready(self, stream: "Stream") -> None:
        """Poll it soon."""

    def end(self, stream: "Stream") -> None:
        """Its status is decided, and no message is partly sent."""

    def reset(self, stream: "Stream", code: ErrorCodes) -> None:
        """Ends it without a status."""


class Stream:
    """A call. `wire` is the library's half of it.

    `lead` and `rest` are what is unsent of the message at hand: of its prefix, and of the bytes
    that it may share with other streams. `status` is decided once the call is over but for sending.
    """

    __slots__ = (
        "answered",
        "began",
        "behind",
        "blocked",
        "body",
        "call",
        "counted",
        "gone",
        "id",
        "lead",
        "queued",
        "request_ended",
        "rest",
        "sender",
        "status",
        "subscription",
        "task",
        "timer",
        "wire",
    )

    def __init__(
        self, wire: H2Stream, behind: Behind, sender: Sender, call: H2Call, body: Body
    ) -> None:
        self.id: int = wire.stream_id
        self.wire = wire
        self.behind = behind
        self.sender = sender
        self.call = call
        self.body: Body | None = body
        self.task: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.subscription: Subscription | None = None
        self.status: tuple[grpc.StatusCode, str] | None = None
        self.began = 0.0  # when its method did; 0: it has not, or that is counted
        self.counted = False  # by `OpenCalls`, as a unary call
        self.lead = b""
        self.rest: memoryview | None = None
        self.answered = False  # response headers are sent
        self.request_ended = False
        self.queued = False  # it is among those to poll
        self.blocked = False  # its peer must make room first
        self.gone = False  # off the connection

    def wake(self) -> None:
        """There may be something to poll. Coalesced."""
        if not self.queued:
            self.queued = True
            self.sender.ready(self)

    def run(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Counts the call as begun and runs a coroutine that decides its status or watches."""
        self.begin()
        self.task = asyncio.get_running_loop().create_task(work(self, *arguments))

    def begin(self) -> None:
        """Counts the call, whose request is whole."""
        self.began = time.monotonic()
        self.behind.metrics.started.inc()
        self.behind.metrics.received.inc()

    def watch(self, subscription: Subscription) -> None:
        """From now on the subscription speaks."""
        self.task = None
        if self.status is not None or self.gone:
            close(self.behind.method, subscription)
            return
        self.subscription = subscription
        subscription.on_wake(self.wake)
        self.wake()

    def answer(self, message: bytes, prefix: bytes) -> None:
        """The one message of a unary call."""
        if self.status is None and not self.gone:
            self.lead, self.rest = prefix, memoryview(message)
            self.finish(grpc.StatusCode.OK)

    def poll(self) -> bytes | None:
        """The subscription's next message. Decides the status when there are no more."""
        subscription = self.subscription
        if subscription is None:
            return None
        try:
            message = subscription.poll()
        except StreamEnd as end:
            self.finish(end.code, end.message)
        except Exception as error:  # noqa: BLE001  # becomes a status
            self.fail(error)
        else:
            if message is None or type(message) is bytes:
                return message
            self.fail(TypeError(f"a subscription gave {type(message).__name__}, not bytes"))
        return None

    def fail(self, error: Exception) -> None:
        """`error` becomes the status."""
        code, message = status_of(self.behind.method, error)
        if code is grpc.StatusCode.OK:  # an error that claims to be none
            code, message = _UNFORESEEN
        self.finish(code, message)

    def finish(self, code: grpc.StatusCode, message: str = "") -> None:
        """Decides the status; the first decision counts. It is sent once there is room for what
        is unsent of a message before it."""
        if self.status is not None or self.gone:
            return
        self.status = (code, message)
        self._let_go(code)
        if self.rest is None:
            self.sender.end(self)
        else:
            self.wake()

    def end(self) -> None:
        """The server goes away; a watching call ends cleanly."""
        self.finish(grpc.StatusCode.OK)

    def cut(self, code: grpc.StatusCode, message: str) -> None:
        """Ends the call now, without a status if it is within a message."""
        if self.rest is None:
            self.finish(code, message)
        elif not self.gone:
            self._let_go(code)
            self.sender.reset(self, ErrorCodes.CANCEL)

    def abandon(self, code: grpc.StatusCode = grpc.StatusCode.CANCELLED) -> None:
        """The stream is off the connection, whether its status is sent or the client is gone."""
        if self.gone:
            return
        self.gone = True
        if self.status is None:
            self.status = (code, "")
        self._let_go(code)
        self.lead, self.rest, self.body = b"", None, None
        self.behind.left(self)

    def _let_go(self, code: grpc.StatusCode) -> None:
        """Ends what runs behind; counts. Harmless again."""
        task, self.task = self.task, None
        if task is not None:
            task.cancel()
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        subscription, self.subscription = self.subscription, None
        if subscription is not None:
            close(self.behind.method, subscription)
        self.call.ended()
        if self.began:
            self.behind.metrics.handled(code, time.monotonic() - self.began)
            self.began = 0.0
