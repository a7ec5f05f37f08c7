"""Turns: in rotation, light before heavy, short, and now and then for who is slowed."""

from collections.abc import Callable
from typing import Any

import pytest

from linkerd.rpc.h2 import turns
from linkerd.rpc.h2.turns import Turns


class Steps:
    """An event loop that does what it is told to, and says when."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], None]] = []
        self.later: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.soon.append(callback)

    def call_later(self, _delay: float, callback: Callable[[], None]) -> object:
        self.later.append(callback)
        return object()

    def turn(self) -> None:
        """One of the loop."""
        calls, self.soon = self.soon, []
        for call in calls:
            call()


class Worker:
    """A member with so many slices of work."""

    def __init__(self, name: str, work: int, done: list[str], *, calls: int = 0) -> None:
        self.waiting = False
        self.slowed = False
        self._name, self._work, self._done, self._calls = name, work, done, calls

    @property
    def busy(self) -> bool:
        return self._work > 0

    def turn(self, until: float, calls: int) -> int:
        del until
        self._work -= 1
        self._done.append(self._name)
        return min(self._calls, calls)


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def turns_of(steps: Steps) -> Turns:
    loop: Any = steps
    return Turns(loop)


def test_who_asks_little_goes_before_who_asks_much(steps: Steps, turns_of: Turns) -> None:
    done: list[str] = []
    for name in "abc":
        turns_of.add(Worker(name, 1000, done))
    steps.turn()
    light = Worker("light", 1, done)
    before = len(done)
    turns_of.add(light)
    steps.turn()
    assert done[before] == "light"
    assert not light.waiting


def test_the_heavy_take_turns(steps: Steps, turns_of: Turns) -> None:
    done: list[str] = []
    for name in "abc":
        turns_of.add(Worker(name, 50, done))
    while steps.soon:
        steps.turn()
    assert len(done) == 150
    assert done[:9] == list("abcabcabc")


def test_a_turn_begins_only_so_many_calls(steps: Steps, turns_of: Turns) -> None:
    done: list[str] = []
    for name in "abcdefgh":
        turns_of.add(Worker(name, 1000, done, calls=turns._SLICE_CALLS))
    steps.turn()
    assert len(done) == turns._CALLS // turns._SLICE_CALLS + 1  # one of the heavy in any case
    assert steps.soon  # and the rest has its turn after everything else


def test_who_is_slowed_waits_for_a_timer_of_which_there_is_one(
    steps: Steps, turns_of: Turns
) -> None:
    done: list[str] = []
    for name in "ab":
        worker = Worker(name, 20, done)
        worker.slowed = True
        turns_of.add(worker)
    assert not steps.soon
    for served in range(40):
        assert len(steps.later) == 1, f"after {served} slices"
        steps.later.pop()()
    assert done == list("ab") * 20
    assert not steps.later
