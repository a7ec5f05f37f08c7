"""How long a reflector, or whoever else tries again, waits after a failure; and whether a version
is of use any more.

Three kinds of failures, each with pauses of its own: a server that is away is waited for (see
presence.py), one that says that a version is too old is asked for a list, and whatever else fails
is tried again with growing pauses.
"""

from random import Random
from typing import Final

from linkerd.kube.backoff import Backoff
from linkerd.kube.errors import (
    ApiError,
    Forbidden,
    Gone,
    KubeError,
    NotFound,
    ServerError,
    TooManyRequests,
    Unauthorized,
    Unreachable,
)
from linkerd.kube.presence import Presence
from linkerd.runtime.clock import Clock

_REFUSALS: Final = 3  # of one version, until a list is tried
_NOTHING_ABOUT_VERSIONS: Final = (Unreachable, Unauthorized, Forbidden, NotFound, TooManyRequests)
_UNAVAILABLE: Final = 503
_ALONE: Final = (60.0, 120.0)
"""Seconds until somebody tries on his own what the questions of `presence` do not notice."""


class Recovery:
    """The failures of one retried thing since it worked for a while."""

    def __init__(self, presence: Presence, clock: Clock, random: Random) -> None:
        self._presence = presence
        self._clock = clock
        self._random = random
        self._failures = Backoff(random)
        self._relists = Backoff(random)  # apart: who says 410 is there, and answers
        self._returns = presence.returns
        self._refused: str | None = None  # the version that was of no use last
        self._refusals = 0  # in a row

    def reset(self) -> None:
        """It has worked for a while: the next failure is a first one."""
        self._failures.reset()
        self._relists.reset()

    def needs_list(self, error: KubeError, version: str) -> bool:
        """Whether only a list helps: the server says so, or has refused this version, or said
        something senseless from there on, several times in a row."""
        if _disowns_the_version(error):
            return True
        if self._presence.away or not _may_be_about_the_version(error):
            return False
        self._refusals = self._refusals + 1 if self._refused == version else 1
        self._refused = version
        if self._refusals < _REFUSALS:
            return False
        self._refused = None
        return True

    def delay(self, error: KubeError) -> float:
        """Seconds to wait now."""
        asked = error.retry_after if isinstance(error, ApiError) else None
        if _disowns_the_version(error):
            return self._relists.next_delay(asked)
        if isinstance(error, Unreachable | ServerError):
            if self._returned():  # it was lost in an outage that is over
                return 0.0
            if self._presence.away and self._failures.attempts:
                return self._random.uniform(*_ALONE)
        return self._failures.next_delay(asked)

    async def pause(self, error: KubeError, seconds: float) -> None:
        """Waits for so long, or less where the server was away and comes back."""
        pause = self._clock.sleep(seconds)
        if not isinstance(error, Unreachable | ServerError):
            await pause
            return
        await self._presence.cut_short(pause)
        self._returned()

    def _returned(self) -> bool:
        """Whether the server has come back since this was asked last; earlier failures are
        forgotten then."""
        if self._returns == self._presence.returns:
            return False
        self._returns = self._presence.returns
        self._failures.reset()
        return True


def _disowns_the_version(error: KubeError) -> bool:
    """Whether the server says that the version is compacted away, or newer than its own (whose data
    was restored from a backup)."""
    if isinstance(error, Gone):
        return True
    return isinstance(error, ApiError) and "too large resource version" in error.message.lower()


def _may_be_about_the_version(error: KubeError) -> bool:
    if isinstance(error, ApiError) and error.status == _UNAVAILABLE:
        return False
    return not isinstance(error, _NOTHING_ABOUT_VERSIONS)
