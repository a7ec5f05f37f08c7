"""A huge service is computed in turns, in which others do not wait for it."""

from collections.abc import Callable
from sys import getrefcount

from linkerd.kube.objects import Key
from services.destination.index.ports import PortView
from tests.support.destination.world import EndpointStream, World
from tests.support.objects import endpoint, endpoint_slice, service

SLICES = 50


class Turns:
    """Three steps a turn, taken when the test says so."""

    def __init__(self) -> None:
        self._left = 0
        self._next: Callable[[], None] | None = None

    def begin(self) -> None:
        self._left = 3

    def spent(self) -> bool:
        self._left -= 1
        return self._left <= 0

    def later(self, turn: Callable[[], None]) -> None:
        self._next = turn

    def finish(self) -> None:
        """All that was begun is done."""
        while self.take():
            pass

    def take(self) -> bool:
        """The loop comes to it; whether there was something to do."""
        turn, self._next = self._next, None
        if turn is not None:
            turn()
        return turn is not None


def part(number: int, last: int = 1) -> object:
    return endpoint_slice(f"s{number}", "huge", endpoint(f"10.4.{number}.{last}"))


def a_world() -> tuple[World, Turns]:
    turns = Turns()
    world = World(pace=turns)
    world.apply(service("huge"), service("small"), *map(part, range(SLICES)))
    world.apply(endpoint_slice("small", "small", endpoint("10.5.0.1")))
    return world, turns


def follow(world: World, name: str) -> EndpointStream:
    return world.get(f"{name}.fin.svc.mesh.test:8080")


def test_nothing_is_told_before_all_of_it_is_known() -> None:
    world, turns = a_world()
    stream = follow(world, "huge")
    number = 0
    while turns.take():
        number += 1
        assert not stream.sockets
        if turns._next is not None:
            assert stream.read() == []
    assert number > SLICES / 3
    assert len(stream.read()) == 1
    assert len(stream.sockets) == SLICES


def test_neighbours_do_not_wait_for_it() -> None:
    world, turns = a_world()
    small = follow(world, "small")
    turns.finish()
    small.read()
    huge = follow(world, "huge")
    world.apply(endpoint_slice("small", "small", endpoint("10.5.0.2")))
    taken = 0
    while not (said := small.read()):
        assert turns.take()
        taken += 1
    assert said == ["add 10.5.0.2:8080", "remove 10.5.0.1:8080"]
    assert taken < SLICES / 5
    assert huge.read() == []


def test_what_changes_meanwhile_is_told_in_the_end() -> None:
    world, turns = a_world()
    stream = follow(world, "huge")
    for _ in range(5):
        turns.take()
    world.apply(part(0, last=2), part(SLICES - 1, last=2))
    world.delete(part(1), part(SLICES - 2))
    turns.finish()
    stream.read()
    assert len(stream.sockets) == SLICES - 2
    assert {"10.4.0.2:8080", f"10.4.{SLICES - 1}.2:8080"} <= stream.sockets


def test_it_is_let_go_of_in_turns_too() -> None:
    world, turns = a_world()
    stream = follow(world, "huge")
    turns.finish()
    stream.subscription.close()
    assert not world.index.views
    number = 0
    while turns.take():
        number += 1
    assert number > SLICES / 3
    assert not len(world.index.home.dependencies)


def test_what_was_told_last_is_freed_in_turns_when_its_last_reader_has_left_it() -> None:
    turns = Turns()
    world = World(pace=turns)
    shapes = [
        endpoint_slice(
            f"s{n}", "huge", *(endpoint(f"10.{n}.{at >> 8}.{at & 255}") for at in range(1_000))
        )
        for n in range(12)
    ]
    world.apply(service("huge"), *shapes)
    stream = follow(world, "huge")
    turns.finish()
    stream.read()
    view = world.index.views[PortView, Key("fin", "huge"), 8080]
    assert isinstance(view, PortView)
    (share,) = view.shares.values()
    every = list(share.merged.addresses.values())
    world.delete(*shapes)
    turns.finish()
    held, freed = [getrefcount(one) for one in every], [0]
    assert stream.read()
    while turns.take():
        now = [getrefcount(one) for one in every]
        freed.append(sum(left < had for left, had in zip(now, held, strict=True)))
        assert freed[-1] - freed[-2] <= 4_000  # in as many steps, two turns at first
    assert freed[-1] == 12_000
    assert world.index.tally.failures == 0


def test_one_who_leaves_while_it_is_computed_leaves_nothing() -> None:
    world, turns = a_world()
    stream = follow(world, "huge")
    turns.take()
    stream.subscription.close()
    turns.finish()
    assert not world.index.views
    assert not len(world.index.home.dependencies)
    assert world.index.tally.failures == 0
