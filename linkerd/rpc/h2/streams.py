"""One call on a connection, from its request to its status.

While it watches, this is all there is of it: no task, no queue. It has three parts with an owner
each: what has come of the request (`Receiving`, the inbox's), what is to be sent (`Sending`, the
outbox's) and what runs (here). Whatever ends it (its subscription, the method, the client, a
deadline, the server, a lost connection) passes through `_let_go`, once.
"""

from typing import Final, Protocol

import grpc
from h2.errors import ErrorCodes

from linkerd.rpc.dispatch import Status, close, status_of
from linkerd.rpc.h2.call import H2Call
from linkerd.rpc.h2.receiving import Receiving
from linkerd.rpc.h2.timers import Cancellable
from linkerd.rpc.methods import Method
from linkerd.rpc.metrics import MethodMetrics
from linkerd.streams import StreamEnd, Subscription

_UNFORESEEN: Final = (grpc.StatusCode.INTERNAL, "the method failed with status OK")


class Handler(Protocol):
    """What runs behind a path; `linkerd.rpc.h2.handlers` has the kinds."""

    method: Method
    metrics: MethodMetrics

    def opened(self, stream: "Stream") -> None:
        """The headers have come."""

    def received(self, stream: "Stream", receiving: Receiving) -> None:
        """Some of the request has come. May raise RpcError."""

    def half_closed(self, stream: "Stream", receiving: Receiving) -> None:
        """All of the request has come. May raise RpcError."""

    def left(self, stream: "Stream") -> None:
        """The stream is off the connection; called once, also when it never began."""


class Sends(Protocol):
    """How a stream sends; `Sending`."""

    def wake(self) -> None:
        """There may be something to poll. Coalesced."""

    def put(self, prefix: bytes, message: bytes) -> None:
        """The one message of a unary call."""

    def end(self) -> None:
        """The status is decided; it is sent once there is room for what is unsent of a message."""

    @property
    def partial(self) -> bool:
        """Whether it is within a message."""

    def reset(self, code: ErrorCodes) -> None:
        """Ends the stream without a status."""


class Stream:
    """A call. `status` is decided once it is over but for sending."""

    __slots__ = (
        "_began",
        "_sending",
        "_subscription",
        "_task",
        "_timer",
        "call",
        "counted",
        "handler",
        "id",
        "receiving",
        "status",
    )

    def __init__(self, id_: int, handler: Handler, call: H2Call, receiving: Receiving) -> None:
        self.id = id_
        self.handler = handler
        self.call = call
        self.receiving: Receiving | None = receiving
        self.status: Status | None = None
        self.counted: int | None = None  # bytes of its request, when `OpenCalls` counts it as unary
        self._sending: Sends | None = None  # None, too, once it is off the connection
        self._task: Cancellable | None = None
        self._timer: Cancellable | None = None
        self._subscription: Subscription | None = None
        self._began: float | None = None  # when its method did

    @property
    def begun(self) -> bool:
        """Whether its method has been called."""
        return self._began is not None

    @property
    def subscription(self) -> Subscription | None:
        """What speaks, if it watches."""
        return self._subscription

    def attach(self, sending: Sends) -> None:
        """It is on the connection."""
        self._sending = sending

    def begin(self) -> None:
        """Counts the call, whose request is whole."""
        self._began = self.call.clock()
        self.handler.metrics.started.inc()
        self.handler.metrics.received.inc()

    def run(self, task: Cancellable) -> None:
        """`task` decides its status, or that it watches."""
        self._task = task

    def expire(self, timer: Cancellable) -> None:
        """`timer` cuts it at its deadline."""
        self._timer = timer

    def returned(self) -> None:
        """Its method has, so that nobody will look at the request any more."""
        self._task = None
        self.call.forget()
        receiving, self.receiving = self.receiving, None
        if receiving is not None:
            receiving.release()

    def watch(self, subscription: Subscription) -> None:
        """From now on the subscription speaks."""
        if self.status is not None or self._sending is None:
            close(self.handler.method, subscription)
            return
        self._subscription = subscription
        subscription.on_wake(self._sending.wake)
        self._sending.wake()

    def answer(self, prefix: bytes, message: bytes) -> None:
        """The one message of a unary call."""
        if self.status is None and self._sending is not None:
            self._sending.put(prefix, message)
            self.finish(grpc.StatusCode.OK)

    def poll(self) -> bytes | None:
        """The subscription's next message. Decides the status when there are no more."""
        subscription = self._subscription
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
        code, message = status_of(self.handler.method, error)
        if code is grpc.StatusCode.OK:  # an error that claims to be none
            code, message = _UNFORESEEN
        self.finish(code, message)

    def finish(self, code: grpc.StatusCode, message: str = "") -> None:
        """Decides the status; the first decision counts."""
        if self.status is None and self._sending is not None:
            self._let_go(code, message)
            self._sending.end()

    def end(self) -> None:
        """The server goes away; a watching call ends cleanly."""
        self.finish(grpc.StatusCode.OK)

    def cut(self, code: grpc.StatusCode, message: str) -> None:
        """Ends the call now, without a status if it is within a message."""
        sending = self._sending
        if sending is None:
            return
        if not sending.partial:
            self.finish(code, message)
            return
        if self.status is None:
            self._let_go(code, message)
        sending.reset(ErrorCodes.CANCEL)

    def abandon(self) -> None:
        """The stream is off the connection, whether its status is sent or the client is gone."""
        if self._sending is None:
            return
        self._sending = None
        if self.status is None:
            self._let_go(grpc.StatusCode.CANCELLED, "")
        self.handler.left(self)

    def _let_go(self, code: grpc.StatusCode, message: str) -> None:
        """Ends what runs behind; counts."""
        self.status = (code, message)
        task, timer, subscription = self._task, self._timer, self._subscription
        self._timer = self._subscription = None
        if timer is not None:
            timer.cancel()
        if subscription is not None:
            close(self.handler.method, subscription)
        self.returned()
        self.call.ended()
        if self._began is not None:
            self.handler.metrics.handled(code, self.call.clock() - self._began)
        if task is not None:
            task.cancel()
