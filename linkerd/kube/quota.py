"""What one API server may take of this process: memory, and turns of the event loop.

Our own server is trusted with both. One of a linked cluster is somebody else's: it may name objects
without end and change them as fast as it can, and neither may hurt what is served here.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from linkerd.runtime.clock import Clock


class OverQuota(Exception):  # noqa: N818  # named by what happened, as in errors.py
    """The server has more than is taken of it. No KubeError: trying again changes nothing."""


class Quota:
    """Everything, without counting: that of our own server."""

    @property
    def counts(self) -> bool:
        """Whether memory is counted at all."""
        return False

    def take(self, size: int) -> None:
        """Counts `size` bytes, or gives them back if it is negative. Raises OverQuota."""

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Surrounds a piece of work of some milliseconds; others have a turn afterwards."""
        yield
        await asyncio.sleep(0)


class GuestQuota(Quota):
    """At most `memory` bytes, and half of the event loop's time."""

    def __init__(self, memory: int, clock: Clock) -> None:
        self._memory = memory
        self._clock = clock
        self._turn = asyncio.Lock()
        self.used = 0

    @property
    def counts(self) -> bool:
        """It does."""
        return True

    def take(self, size: int) -> None:
        self.used += size
        if self.used > self._memory:
            raise OverQuota(f"what it has takes more than {self._memory} bytes of memory")

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One at a time, and then a rest as long as the work was."""
        async with self._turn:
            begun = time.perf_counter()
            yield
            await self._clock.sleep(time.perf_counter() - begun)
