"""A circuit breaker: who asks a server that is away is told so at once.

Closed: everybody may ask. `THRESHOLD` failures in a row open it: from then on one caller may ask
every `PAUSE` seconds, jittered, and the first answer to any of them closes it. Such a probe may
take as long as other requests may, or a server that is slow would never be found to be back; that
the next one does not wait for it lets a server that comes back be noticed within two seconds. There
is no growing back-off, since a probe is one small request.
"""

from collections.abc import Callable
from random import Random
from typing import Final

from linkerd.runtime.clock import Clock

THRESHOLD: Final = 5
PAUSE: Final = 0.4  # seconds, jittered by half in either direction


class Breaker:
    """Used from one thread. `changed` is told when it opens (True) and closes (False)."""

    def __init__(self, clock: Clock, random: Random, changed: Callable[[bool], None]) -> None:
        self._clock = clock
        self._random = random
        self._changed = changed
        self._failures = 0
        self._retry_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the server is taken to be away."""
        return self._retry_at is not None

    def refuses(self) -> bool:
        """Whether a caller need not even wait for a turn."""
        return self._retry_at is not None and self._clock.monotonic() < self._retry_at

    def admits(self) -> bool:
        """Whether a caller may ask now. While open, True makes that caller a probe."""
        if self.refuses():
            return False
        if self._retry_at is not None:
            self._retry_at = self._next_probe()
        return True

    def succeeded(self) -> None:
        """The server answered, whatever it said."""
        self._failures = 0
        if self._retry_at is not None:
            self._retry_at = None
            self._changed(False)

    def failed(self) -> None:
        """The server did not answer."""
        self._failures += 1
        if self._retry_at is None and self._failures >= THRESHOLD:
            self._retry_at = self._next_probe()
            self._changed(True)

    def _next_probe(self) -> float:
        return self._clock.monotonic() + PAUSE * self._random.uniform(0.5, 1.5)
