"""Open watching calls: what rests until there is something to say, and how many there may be."""

import asyncio

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


class Streams:
    """The open watching calls of a server, at most `limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bells: set[Bell] = set()
        self._draining = False

    def __len__(self) -> int:
        return len(self._bells)

    def enter(self) -> Bell:
        """A new stream's bell. Raises RpcError RESOURCE_EXHAUSTED when there are too many, and
        UNAVAILABLE when the server is going away."""
        if self._draining:
            raise RpcError(grpc.StatusCode.UNAVAILABLE, "the server is shutting down")
        if len(self._bells) >= self._limit:
            raise RpcError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"streams: {self._limit} are open, which is the limit",
            )
        bell = Bell()
        self._bells.add(bell)
        return bell

    def leave(self, bell: Bell) -> None:
        """The stream has ended."""
        self._bells.discard(bell)

    def drain(self) -> None:
        """Ends all streams cleanly and lets no more in."""
        self._draining = True
        for bell in tuple(self._bells):
            bell.end()
