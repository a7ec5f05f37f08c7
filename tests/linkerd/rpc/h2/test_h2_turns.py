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
    """A member with so many slices to read, and so many to send."""

    def __init__(
        self, name: str, work: int, done: list[str], *, calls: int = 0, sends: int = 0
    ) -> None:
        self.waiting = self.delayed = self.slowed = False
        self._name, self._work, self._done, self._calls = name, work, done, calls
        self._sends = sends
        self.unread, self.unsent = work > 0, sends > 0

    def turn(self, until: float, calls: int) -> int:
        del until
        if calls and self._work:
            self._work -= 1
            self._done.append(self._name)
        if self._sends:
            self._sends -= 1
            self._done.append(f"{self._name} sends")
        self.unread, self.unsent = self._work > 0, self._sends > 0
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


def test_who_is_slowed_is_read_by_a_timer_of_which_there_is_one(
    steps: Steps, turns_of: Turns
) -> None:
    done: list[str] = []
    for name in "ab":
        worker = Worker(name, 20, done)
        worker.slowed = True
        turns_of.add(worker)
    steps.turn()
    assert done == []
    for served in range(20):
        assert not steps.soon
        assert len(steps.later) == 1, f"after {served} turns"
        steps.later.pop()()
        assert done == list("ab") * (served + 1)
    assert not steps.later


def test_what_a_slowed_connection_says_goes_out_like_any_others(
    steps: Steps, turns_of: Turns
) -> None:
    """It may be a sidecar's, with many clients behind it."""
    done: list[str] = []
    for name in "ab":
        worker = Worker(name, 1000, done, sends=3)
        worker.slowed = True
        turns_of.add(worker)
    while steps.soon:
        steps.turn()
    assert done == ["a sends", "b sends"] * 3
    assert len(steps.later) == 1


def test_many_that_are_slowed_share_one_turn(steps: Steps, turns_of: Turns) -> None:
    done: list[str] = []
    workers = [Worker(str(number), 1, done) for number in range(50)]
    for worker in workers:
        worker.slowed = True
        turns_of.add(worker)
    while steps.soon:
        steps.turn()
    steps.later.pop()()
    assert len(done) == len(set(done)) > 10
    while steps.later:
        steps.later.pop()()
    assert sorted(done) == sorted(worker._name for worker in workers)
