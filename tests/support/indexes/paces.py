"""Turns of any length, taken when a test says so."""

from collections.abc import Callable
from random import Random


class AnyPace:
    """A pace that stops after a few steps, or after many."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._left = 0
        self._turn: Callable[[], None] | None = None

    def begin(self) -> None:
        self._left = self._random.choice([2, 3, 6, 1_000])

    def spent(self) -> bool:
        self._left -= 1
        return self._left <= 0

    def later(self, turn: Callable[[], None]) -> None:
        assert self._turn is None  # one at a time is asked for
        self._turn = turn

    def turn(self) -> None:
        """The loop comes to it, if it waits."""
        turn, self._turn = self._turn, None
        if turn is not None:
            turn()

    def finish(self) -> None:
        """All that was begun is done."""
        while self._turn is not None:
            self.turn()
