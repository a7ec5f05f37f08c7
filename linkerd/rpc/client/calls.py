"""One call as its caller reads it: whole messages, in order, then the end."""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import ClassVar, Final, Protocol

import grpc
from h2.errors import ErrorCodes

from linkerd.rpc.body import Body
from linkerd.rpc.client.errors import CallError, DeadlineError, StatusError, UnreachableError
from linkerd.rpc.client.headers import Header, end_of, refusal_of
from linkerd.rpc.errors import RpcError

_RESETS: Final[dict[int, grpc.StatusCode]] = {
    ErrorCodes.CANCEL: grpc.StatusCode.CANCELLED,
    ErrorCodes.ENHANCE_YOUR_CALM: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorCodes.INADEQUATE_SECURITY: grpc.StatusCode.PERMISSION_DENIED,
}


class Carrier(Protocol):
    """The connection that carries calls."""

    def give_room(self, stream_id: int, size: int) -> None:
        """The peer may send so much more on a stream."""

    def leave(self, call: "Call") -> None:
        """The call is over, here if not there."""


class _Answer(Body):
    WHAT: ClassVar = "answer"
    TAKER: ClassVar = "client"

    __slots__ = ()


class Call:
    """A call in progress on a stream; its carrier feeds it, and its caller reads.

    What has come and is not read yet is bounded by the stream's window: room is given back only
    when no whole message waits, so beyond the window there is one message at most.
    """

    __slots__ = ("_answered", "_body", "_carrier", "_end", "_messages", "_owed", "_waiter",
                 "ended", "stream_id")  # fmt: skip

    def __init__(self, carrier: Carrier, stream_id: int, max_bytes: int) -> None:
        self.stream_id = stream_id
        self.ended = False
        self._carrier = carrier
        self._body = _Answer(max_bytes)
        self._messages: deque[bytes] = deque()
        self._owed = 0
        self._answered = False
        self._end: CallError | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def read(self) -> bytes | None:
        """The next message; None at the end, if that is OK. Raises CallError if not."""
        while not self._messages:
            if self.ended:
                if self._end is not None:
                    raise self._end.anew()
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        message = self._messages.popleft()
        self._give_room()
        return message

    def cancel(self) -> None:
        """Its caller wants no more of it. Harmless after its end."""
        self._messages.clear()
        self._finish(None)

    def expire(self) -> None:
        """Its deadline has passed."""
        self._finish(DeadlineError("the server did not answer within the time given"))

    # What the carrier says.

    def headers(self, headers: Iterable[Header]) -> None:
        """The first headers, or the only ones."""
        self._answered = True
        if (refusal := refusal_of(headers)) is not None:
            self._finish(refusal)

    def data(self, data: bytes, size: int) -> None:
        """Some of a message; `size` with padding."""
        if self.ended:
            return
        try:
            self._body.feed(data)
            while (message := self._body.take()) is not None:
                self._messages.append(message)
        except RpcError as error:
            self._finish(StatusError(error.code, error.message))
            return
        self._owed += size
        self._give_room()
        if self._messages:
            self._ring()

    def trailers(self, headers: Iterable[Header]) -> None:
        """The status."""
        self._finish(end_of(headers))

    def stopped(self) -> None:
        """The stream has ended, which is the end of the call if there was no status."""
        self._finish(end_of(()))

    def reset(self, code: ErrorCodes | int | None) -> None:
        """The peer has ended the stream."""
        self._finish(_reset(code))

    def lost(self, error: CallError) -> None:
        """The connection has ended."""
        self._finish(error)

    def _finish(self, error: CallError | None) -> None:
        if self.ended:
            return
        self.ended, self._end = True, error
        self._carrier.leave(self)
        self._ring()

    def _give_room(self) -> None:
        if self._owed and not self._messages and not self.ended:
            owed, self._owed = self._owed, 0
            self._carrier.give_room(self.stream_id, owed)

    def _ring(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _reset(code: ErrorCodes | int | None) -> CallError:
    """What gRPC's specification makes of HTTP/2's codes."""
    if code == ErrorCodes.REFUSED_STREAM:
        return UnreachableError("the server did not take the call: try again")
    name = code.name if isinstance(code, ErrorCodes) else str(code)
    status = _RESETS.get(code or 0, grpc.StatusCode.INTERNAL)
    return StatusError(status, f"the server reset the stream: {name}")
