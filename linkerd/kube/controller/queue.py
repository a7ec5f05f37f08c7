"""Keys that wait to be worked on, each once, with a delay after failures.

As client-go's work queue: a key that is added while it is worked on comes again afterwards, never
twice at a time, so a queue holds no more than there are keys. Failures of one key are tried again
after 5 ms, doubling up to 1000 s, and all retries together are limited to 10 a second after a burst
of 100.
"""

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from linkerd.kube.controller.queue_metrics import QueueMetrics
from linkerd.kube.controller.rate import TokenBucket
from linkerd.runtime.clock import Clock

K = TypeVar("K", bound=Hashable)

FIRST_DELAY: Final = 0.005
LONGEST_DELAY: Final = 1000.0
RETRIES_PER_SECOND: Final = 10.0
BURST: Final = 100.0
_MOST_DOUBLINGS: Final = 32


class RateLimiter(Generic[K]):
    """How long a key that failed has to wait. Times are monotonic seconds."""

    def __init__(self, now: float) -> None:
        self._failures: dict[K, int] = {}
        self._all = TokenBucket(RETRIES_PER_SECOND, BURST, now)

    def failures(self, key: K) -> int:
        """Failures of the key since it was forgotten."""
        return self._failures.get(key, 0)

    def forget(self, key: K) -> None:
        """The key has worked, or is given up."""
        self._failures.pop(key, None)

    def next_delay(self, key: K, now: float) -> float:
        """Seconds to wait after one more failure."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        own = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(failures, _MOST_DOUBLINGS))
        return max(own, self._all.reserve(now))


class WorkQueue(Generic[K]):
    """`add`, then `get`, work, `done`. One loop, any number of workers."""

    def __init__(self, clock: Clock, metrics: QueueMetrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._limiter: RateLimiter[K] = RateLimiter(self._clock.monotonic())
        self._ready: deque[K] = deque()
        self._waiting: set[K] = set()  # in `_ready`, or to come again when done
        self._active: set[K] = set()
        self._delayed: dict[K, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._ready)

    def add(self, key: K) -> None:
        """Asks for the key to be worked on, soon."""
        if key in self._waiting:
            return
        self._waiting.add(key)
        self._metrics.added(key, self._clock.monotonic())
        if key not in self._active:
            self._push(key)

    def retry(self, key: K) -> None:
        """Asks for it again after its failure, in a while."""
        self._metrics.retried()
        self.add_later(key, self._limiter.next_delay(key, self._clock.monotonic()))

    def add_later(self, key: K, seconds: float) -> None:
        """Asks for it in a while, or when it was to come later anyway."""
        if key not in self._delayed:
            self._delayed[key] = asyncio.create_task(
                self._add_later(key, seconds), name=f"later {key}"
            )

    def failures(self, key: K) -> int:
        """How often it was to be tried again since it last worked."""
        return self._limiter.failures(key)

    def forget(self, key: K) -> None:
        """It worked: the next failure is a first one."""
        self._limiter.forget(key)

    def drop(self, key: K) -> None:
        """It is given up after too many failures, until it is added again."""
        self._limiter.forget(key)
        self._metrics.dropped()

    async def get(self) -> K:
        """The next key, once there is one. `done` must follow."""
        while not self._ready:
            self._wake.clear()
            await self._wake.wait()
        key = self._ready.popleft()
        self._waiting.discard(key)
        self._active.add(key)
        self._metrics.began(key, self._clock.monotonic(), len(self._ready))
        return key

    def done(self, key: K) -> None:
        """The work on the key is over, however it went."""
        self._active.discard(key)
        self._metrics.finished(key, self._clock.monotonic())
        if key in self._waiting:
            self._push(key)
        elif not self._ready and not self._active:
            self._idle.set()

    def clear(self) -> None:
        """Forgets all that waits, failures too."""
        self._drop_delayed()
        self._ready.clear()
        self._waiting.clear()
        self._limiter = RateLimiter(self._clock.monotonic())
        self._metrics.cleared()
        if not self._active:
            self._idle.set()

    async def drained(self) -> None:
        """Returns when nothing waits and nothing is worked on. Retries to come are dropped."""
        self._drop_delayed()
        await self._idle.wait()

    def _push(self, key: K) -> None:
        self._ready.append(key)
        self._metrics.depth(len(self._ready))
        self._idle.clear()
        self._wake.set()

    def _drop_delayed(self) -> None:
        for task in self._delayed.values():
            task.cancel()
        self._delayed.clear()

    async def _add_later(self, key: K, delay: float) -> None:
        await self._clock.sleep(delay)
        del self._delayed[key]
        self.add(key)
