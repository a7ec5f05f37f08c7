"""Waiting between failed attempts: exponential with full jitter.

Full jitter (anything from nothing to the ceiling) is what spreads the reconnects of many clients
after an API server's restart; see "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from random import Random
from typing import Final

FIRST: Final = 0.5  # seconds, the ceiling of the first delay
LAST: Final = 30.0  # seconds, the highest ceiling
LONGEST_REQUESTED: Final = 120.0  # seconds; a server that asks for more gets this much


class Backoff:
    """The delays of one retried thing."""

    __slots__ = ("_random", "attempts")

    def __init__(self, random: Random) -> None:
        self._random = random
        self.attempts = 0  # failures in a row

    def reset(self) -> None:
        """It has worked for a while: the next failure is a first one."""
        self.attempts = 0

    def next_delay(self, at_least: float | None = None) -> float:
        """Seconds to wait now; `at_least` is what the server asked for, and the jitter adds to it
        so that those who were refused together do not return together."""
        ceiling = min(LAST, FIRST * 2.0 ** min(self.attempts, 16))
        self.attempts += 1
        return min(at_least or 0.0, LONGEST_REQUESTED) + self._random.uniform(0.0, ceiling)
