"""Asking the API server about tokens, without hurting it and without hanging on it.

At most `concurrency` requests are under way and `queue` calls wait, first come first served; what
is above that is refused. A call gets `deadline` seconds in all. A request that fails for want of an
answer is repeated after a short, random pause while the deadline lasts, `ATTEMPTS` times in all.
When nothing is answered, a breaker refuses everybody at once, those who wait included, and lets
one more try every half second.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random, SystemRandom
from typing import Final

from linkerd.kube.reviews import TokenReviewStatus
from linkerd.runtime.breaker import Breaker
from linkerd.runtime.clock import Clock
from linkerd.runtime.logs import get_logger
from services.identity.errors import ReviewRefusedError, ReviewUnavailableError
from services.identity.metrics import Metrics
from services.identity.tokens.judge import Reviewer

ATTEMPTS: Final = 3
ATTEMPT_TIMEOUT: Final = 2.5  # seconds; who is silent for that long is not asked again
_RETRY_PAUSE: Final = 0.2  # seconds at most, before the second attempt; doubles

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """`deadline` is in seconds, and proxies ask again after ten."""

    concurrency: int = 64
    queue: int = 4096
    deadline: float = 5.0


class GuardedReviewer:
    """A Reviewer in front of another."""

    def __init__(
        self,
        review: Reviewer,
        metrics: Metrics,
        clock: Clock,
        *,
        limits: Limits | None = None,
        random: Random | None = None,
    ) -> None:
        self._review = review
        self._metrics = metrics
        self._clock = clock
        self._limits = limits or Limits()
        self._random = random or SystemRandom()
        self._turns = asyncio.Semaphore(self._limits.concurrency)
        self._waiting = 0
        self.breaker = Breaker(clock, self._random, self._circuit_changed)

    async def __call__(self, token: str, audiences: Sequence[str]) -> TokenReviewStatus:
        try:
            async with asyncio.timeout(self._limits.deadline):
                return await self._in_turn(token, audiences)
        except TimeoutError:
            raise self._refusal("deadline", _SLOW) from None

    async def _in_turn(self, token: str, audiences: Sequence[str]) -> TokenReviewStatus:
        await self._queue()
        self._metrics.in_flight.inc()
        try:
            return await self._insist(token, audiences)
        finally:
            self._metrics.in_flight.dec()
            self._turns.release()

    async def _queue(self) -> None:
        """Returns with a turn taken."""
        if self.breaker.refuses():
            raise self._refusal("circuit open", _AWAY)
        if self._waiting >= self._limits.queue:
            raise self._refusal("queue full", _FULL)
        began = time.perf_counter()
        self._waiting += 1
        self._metrics.waiting.set(self._waiting)
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
            self._metrics.waiting.set(self._waiting)
        self._metrics.wait.observe(time.perf_counter() - began)

    async def _insist(self, token: str, audiences: Sequence[str]) -> TokenReviewStatus:
        for attempt in range(1, ATTEMPTS):
            try:
                return await self._ask(token, audiences)
            except ReviewUnavailableError as error:
                if self.breaker.is_open or error.silent:
                    raise
                pause = self._random.uniform(0, _RETRY_PAUSE * 2**attempt / 2)
                await self._clock.sleep(max(pause, error.retry_after or 0.0))
                self._metrics.retries.inc()
        return await self._ask(token, audiences)

    async def _ask(self, token: str, audiences: Sequence[str]) -> TokenReviewStatus:
        if not self.breaker.admits():
            raise self._refusal("circuit open", _AWAY)
        began = time.perf_counter()
        outcome = "cancelled"
        try:
            async with asyncio.timeout(ATTEMPT_TIMEOUT):
                status = await self._review(token, audiences)
            outcome = "answered"
            return status
        except ReviewRefusedError:
            outcome = "refused"
            raise
        except ReviewUnavailableError as error:
            outcome = "overloaded" if error.overloaded else "failed"
            raise
        except TimeoutError:
            outcome = "failed"
            raise ReviewUnavailableError(_SLOW, silent=True) from None
        finally:
            self._ended(outcome, time.perf_counter() - began)

    def _ended(self, outcome: str, seconds: float) -> None:
        self._metrics.review.observe(seconds)
        self._metrics.reviews.labels(outcome).inc()
        if outcome == "failed":
            self.breaker.failed()
        elif outcome != "cancelled":
            self.breaker.succeeded()

    def _refusal(self, reason: str, message: str) -> ReviewUnavailableError:
        self._metrics.shed.labels(reason).inc()
        return ReviewUnavailableError(message)

    def _circuit_changed(self, is_open: bool) -> None:
        self._metrics.circuit_open.set(is_open)
        if is_open:
            _log.error("the API server does not answer: calls are refused until it does")
        else:
            _log.info("the API server answers again")


_AWAY: Final = "token cannot be reviewed now, the Kubernetes API server does not answer: try again"
_FULL: Final = "token cannot be reviewed now, too many wait for that already: try again"
_SLOW: Final = (
    "token cannot be reviewed now, the Kubernetes API server does not answer in time: try again"
)
