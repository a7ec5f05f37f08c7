"""A clock that stands still until the test moves it.

Sleepers wake in the order of their deadlines; after each wake the loop runs until the woken tasks
have come to rest, so that a task which sleeps again inside the advanced span is woken again.
"""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final

_SETTLE_TURNS: Final = 50  # loop turns that tasks get to come to rest after a wake


class FakeClock:
    """A `linkerd.runtime.clock.Clock` under control."""

    def __init__(self, start: datetime = datetime(2030, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._rushing = False
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._fallen_asleep = asyncio.Event()

    def now(self) -> datetime:
        """The start plus what was advanced."""
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Seconds advanced so far."""
        return self._elapsed

    def correct(self, by: timedelta) -> None:
        """Somebody sets the wall clock; how much time has gone by is not touched."""
        self._start += by

    async def sleep(self, seconds: float) -> None:
        """Returns once the test has advanced by `seconds`; zero or less only yields."""
        if seconds <= 0 or self._rushing:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), future))
        self._fallen_asleep.set()
        await future

    def rush(self) -> None:
        """Lets all sleeps, present and future, end at once; for the end of a test."""
        self._rushing = True
        while self._sleepers:
            future = heapq.heappop(self._sleepers)[2]
            if not future.done():
                future.set_result(None)

    @property
    def sleeping(self) -> list[float]:
        """Seconds until each sleeper wakes, soonest first."""
        return sorted(due - self._elapsed for due, _, future in self._sleepers if not future.done())

    async def advance(self, seconds: float) -> None:
        """Moves time forward, waking everyone who is due on the way."""
        end = self._elapsed + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, future = heapq.heappop(self._sleepers)
            self._elapsed = max(self._elapsed, due)
            if not future.done():
                future.set_result(None)
                await settle()
        self._elapsed = end

    async def wait_for_sleepers(self, number: int = 1) -> None:
        """Returns once at least `number` tasks sleep; fails after 10 real seconds."""
        async with asyncio.timeout(10):
            while len(self.sleeping) < number:
                self._fallen_asleep.clear()
                await self._fallen_asleep.wait()


async def settle() -> None:
    """Lets all tasks that can run now run until they wait for something else."""
    for _ in range(_SETTLE_TURNS):
        await asyncio.sleep(0)
