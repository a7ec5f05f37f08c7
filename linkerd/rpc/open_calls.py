"""The calls in progress: what rests until there is something to say, how many there may be, and
when the last has ended."""

import asyncio
from typing import Protocol

import grpc

from linkerd.rpc.errors import RpcError
from linkerd.rpc.metrics import RpcMetrics
from linkerd.rpc.options import ServerOptions


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
    """The calls in progress on a server, within the limits that `options` set for the process.

    Each refusal is RESOURCE_EXHAUSTED with a text that names the limit, and is counted.
    """

    def __init__(self, options: ServerOptions, metrics: RpcMetrics) -> None:
        self._options = options
        self._refused = metrics.refused
        self._watchers: set[Watcher] = set()
        self.pending = 0
        self._unary = 0
        self._unary_bytes = 0
        self._draining = False
        self._idle: asyncio.Event | None = None

    def __len__(self) -> int:
        return len(self._watchers) + self._unary

    def expect(self, most: int) -> None:
        """A call has come whose request is not whole; it will be `expected`. Raises RpcError when
        there are too many, which `most` are in any case."""
        limit = min(self._options.max_pending_calls, most)
        if self.pending >= limit:
            raise self._refusal("pending", f"{limit} requests are not whole: try again")
        self.pending += 1

    def expected(self) -> None:
        """Nothing more of a request is waited for."""
        self.pending -= 1

    def begin(self, size: int) -> None:
        """A unary call with a request of `size` bytes begins; `end` it. Raises RpcError when there
        are too many, or when their requests are too large together."""
        calls, held = self._options.max_unary_calls, self._options.max_unary_bytes
        if self._unary >= calls:
            raise self._refusal("calls", f"{calls} are in progress, which is the limit: try again")
        if self._unary_bytes + size > held:
            raise self._refusal(
                "bytes", f"requests in progress may have {held} together: try again"
            )
        self._unary += 1
        self._unary_bytes += size

    def end(self, size: int) -> None:
        """A unary call that began with a request of `size` bytes has ended."""
        self._unary -= 1
        self._unary_bytes -= size
        self._tell()

    def enter(self, watcher: Watcher) -> None:
        """A watching call begins; it will `leave`. Raises RpcError when there are too many, and
        UNAVAILABLE when the server goes away."""
        if self._draining:
            raise RpcError(grpc.StatusCode.UNAVAILABLE, "the server is shutting down")
        limit = self._options.max_concurrent_streams
        if len(self._watchers) >= limit:
            raise self._refusal("streams", f"{limit} are open, which is the limit")
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

    def _refusal(self, limit: str, says: str) -> RpcError:
        self._refused.labels(limit).inc()
        return RpcError(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{limit}: {says}")

    def _tell(self) -> None:
        if self._idle is not None and not len(self):
            self._idle.set()
