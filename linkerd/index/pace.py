"""How much an index does at a time.

What one event asks for may be much: all endpoints of a huge service. It is done in turns, with the
loop's other tasks in between, so that nobody waits for long. What is computed is the same.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol

_TURN: Final = 0.003  # seconds


class Pace(Protocol):
    """Turns of work."""

    def begin(self) -> None:
        """A turn begins."""

    def spent(self) -> bool:
        """Whether the turn is over. Asked after each step."""

    def later(self, turn: Callable[[], None]) -> None:
        """Calls `turn` when others have had theirs."""


class AtOnce:
    """All in one turn, which is for indexes without an event loop."""

    def begin(self) -> None:
        """Nothing is counted."""

    def spent(self) -> bool:
        """Never."""
        return False

    def later(self, turn: Callable[[], None]) -> None:
        """Never needed."""
        raise AssertionError


class LoopPace:
    """Turns of the running event loop, of so many seconds each."""

    def __init__(self, seconds: float = _TURN) -> None:
        self._seconds = seconds
        self._end = 0.0

    def begin(self) -> None:
        self._end = time.monotonic() + self._seconds

    def spent(self) -> bool:
        return time.monotonic() >= self._end

    def later(self, turn: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_soon(turn)
