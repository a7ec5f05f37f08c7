"""A circuit breaker: who asks a server that is away is told so at once.

Closed: everybody may ask. `THRESHOLD` failures in a row open it: nobody may ask for `pause`
seconds, jittered. Then it is half open: one caller may try, and what becomes of that closes it or
opens it again. There is no growing back-off, since a probe is one small request and the server's
return should be noticed within two seconds.
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
        self._probing = False
        self._retry_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the server is taken to be away."""
        return self._retry_at is not None

    def refuses(self) -> bool:
        """Whether a caller need not even wait for a turn."""
        if self._retry_at is None:
            return False
        return self._probing or self._clock.monotonic() < self._retry_at

    def admits(self) -> bool:
        """Whether a caller may ask now. While open, True makes that caller the probe, who must
        report `succeeded`, `failed` or `abandoned`."""
        if self.refuses():
            return False
        self._probing = self.is_open
        return True

    def succeeded(self) -> None:
        """The server answered, whatever it said."""
        self._failures = 0
        self._probing = False
        if self._retry_at is not None:
            self._retry_at = None
            self._changed(False)

    def failed(self) -> None:
        """The server did not answer."""
        self._failures += 1
        self._probing = False
        if self._retry_at is None and self._failures < THRESHOLD:
            return
        was_open, self._retry_at = self.is_open, self._clock.monotonic() + self._pause()
        if not was_open:
            self._changed(True)

    def abandoned(self) -> None:
        """The caller went away before there was an answer."""
        self._probing = False

    def _pause(self) -> float:
        return PAUSE * self._random.uniform(0.5, 1.5)
