"""Verdicts on tokens that were reviewed a moment ago. Off unless a flag turns it on: what it costs
is that a token which was revoked meanwhile still proves its owner until the verdict is too old.

Keys are SHA-256 of token and audiences, so that no token stays in memory; only "authenticated" is
kept. The verdict on a token covers everything that is later decided by: identity and audiences.
"""

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from cachetools import TLRUCache

from linkerd.kube.reviews import TokenReviewStatus
from linkerd.runtime.clock import Clock
from services.identity.metrics import Metrics
from services.identity.tokens.judge import Reviewer

MAX_ENTRIES: Final = 10_000
MAX_SECONDS: Final = 60.0


class _Verdict(NamedTuple):
    """`end`: of its use, on the monotonic clock; its age counts from when it was asked for."""

    status: TokenReviewStatus
    end: float


class CachedReviewer:
    """A Reviewer that remembers what another one said, for `seconds`."""

    def __init__(self, review: Reviewer, metrics: Metrics, clock: Clock, seconds: float) -> None:
        self._review = review
        self._metrics = metrics
        self._clock = clock
        self._seconds = min(seconds, MAX_SECONDS)
        self._verdicts: TLRUCache[bytes, _Verdict] = TLRUCache(
            MAX_ENTRIES, ttu=lambda _key, verdict, _now: verdict.end, timer=clock.monotonic
        )

    async def __call__(self, token: str, audiences: Sequence[str]) -> TokenReviewStatus:
        """What the API server says of a token, or said a moment ago. Raises as the other one."""
        key, now = _key(token, audiences), self._clock.monotonic()
        known = self._verdicts.get(key)
        if known is not None:
            self._metrics.cache.labels("hit").inc()
            return known.status
        self._metrics.cache.labels("miss").inc()
        status = await self._review(token, audiences)
        if status.authenticated and not status.error:
            self._verdicts[key] = _Verdict(status, now + self._seconds)
        return status


def _key(token: str, audiences: Sequence[str]) -> bytes:
    digest = hashlib.sha256("\0".join(audiences).encode())
    digest.update(b"\0\0")
    digest.update(token.encode())
    return digest.digest()
