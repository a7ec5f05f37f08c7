"""The calls in progress: what rests until there is something to say, how many there may be, and
when the last has ended."""

import asyncio
from typing import Protocol

import grpc

from linkerd.rpc.errors import RpcError


class Bell:
    """Wakes the one coroutine that serves a stream. Rung before the wait, the wait is over at once.

    `ended` says that the server wants the stream to end, cleanly, at its next turn.
    """

    __slots__ = ("_rung", "_waiter", "ended")

    def __init__(self) -> None:
        self._waiter: asyncio.Future[None] | None = None
        self._rung = False
        self.ended = False

    def ring(self) -> None:
        """Wakes the waiter, now or when it comes."""
        waiter = self._waiter
        if waiter is None:
            self._rung = True
        elif not waiter.done():
            waiter.set_result(None)

    def end(self) -> None:
        """Asks the stream to end."""
        self.ended = True
        self.ring()

    async def wait(self) -> None:
        """Returns when rung since the last wait."""
        if not self._rung:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        self._rung = False


class Watcher(Protocol):
    """A watching call, as the server sees it: `Bell`, or whatever an engine has for it."""

    def end(self) -> None:
        """Asks the stream to end, cleanly."""


class OpenCalls:
    """The calls in progress on a server; of watching ones at most `limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._watchers: set[Watcher] = set()
        self._unary = 0
        self._draining = False
        self._idle: asyncio.Event | None = None

    def __len__(self) -> int:
        return len(self._watchers) + self._unary

    def begin(self) -> None:
        """A unary call begins; `end` it."""
        self._unary += 1

    def end(self) -> None:
        """A unary call has ended."""
        self._unary -= 1
        self._tell()

    def enter(self, watcher: Watcher) -> None:
        """A watching call begins; it will `leave`. Raises RpcError RESOURCE_EXHAUSTED when there
        are too many, and UNAVAILABLE when the server goes away."""
        if self._draining:
            raise RpcError(grpc.StatusCode.UNAVAILABLE, "the server is shutting down")
        if len(self._watchers) >= self._limit:
            raise RpcError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"streams: {self._limit} are open, which is the limit",
            )
        self._watchers.add(watcher)

    def leave(self, watcher: Watcher) -> None:
        """The watching call has ended, if it ever began."""
        self._watchers.discard(watcher)
        self._tell()

    def drain(self) -> None:
        """Ends all watching calls cleanly and lets no more in."""
        self._draining = True
        for watcher in tuple(self._watchers):
            watcher.end()

    async def idle(self) -> None:
        """Returns when no call is in progress."""
        self._idle = asyncio.Event()
        self._tell()
        await self._idle.wait()

    def _tell(self) -> None:
        if self._idle is not None and not len(self):
            self._idle.set()
