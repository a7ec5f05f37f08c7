"""Verdicts on tokens that were reviewed a moment ago. Off unless a flag turns it on: what it costs
is that a token which was revoked meanwhile still proves its owner until the verdict is too old.

Keys are SHA-256 of token and audiences, so that no token stays in memory; only "authenticated" is
kept. The verdict on a token covers everything that is later decided by: identity and audiences.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from linkerd.kube.reviews import TokenReviewStatus
from linkerd.runtime.clock import Clock
from services.identity.metrics import Metrics
from services.identity.tokens import Reviewer

MAX_ENTRIES: Final = 10_000
MAX_SECONDS: Final = 60.0


class CachedReviewer:
    """A Reviewer that remembers what another one said, for `seconds`."""

    def __init__(self, review: Reviewer, metrics: Metrics, clock: Clock, seconds: float) -> None:
        self._review = review
        self._metrics = metrics
        self._clock = clock
        self._seconds = min(seconds, MAX_SECONDS)
        self._verdicts: OrderedDict[bytes, tuple[float, TokenReviewStatus]] = OrderedDict()

    async def __call__(self, token: str, audiences: Sequence[str]) -> TokenReviewStatus:
        """As in Reviewer."""
        key, now = _key(token, audiences), self._clock.monotonic()
        self._drop_old(now)
        known = self._verdicts.get(key)
        if known is not None and known[0] > now:
            self._metrics.cache.labels("hit").inc()
            return known[1]
        self._metrics.cache.labels("miss").inc()
        status = await self._review(token, audiences)
        if status.authenticated and not status.error:
            self._keep(key, now, status)
        return status

    def _keep(self, key: bytes, now: float, status: TokenReviewStatus) -> None:
        """Its age counts from when it was asked for."""
        self._verdicts.pop(key, None)
        self._verdicts[key] = (now + self._seconds, status)
        if len(self._verdicts) > MAX_ENTRIES:
            self._verdicts.popitem(last=False)

    def _drop_old(self, now: float) -> None:
        """From the front: entries are nearly in the order of their age."""
        while self._verdicts:
            key, (end, _) = next(iter(self._verdicts.items()))
            if end > now:
                return
            del self._verdicts[key]


def _key(token: str, audiences: Sequence[str]) -> bytes:
    digest = hashlib.sha256("\0".join(audiences).encode())
    digest.update(b"\0\0")
    digest.update(token.encode())
    return digest.digest()
