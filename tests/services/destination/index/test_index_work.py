"""What a change costs, counted in calls of functions: what changed and whom it concerns, not how
many others there are."""

import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

import pytest

from services.destination.index import Kind
from services.destination.index.audiences import Filter
from tests.support.destination.world import EndpointStream, ProfileStream, World
from tests.support.objects import endpoint, endpoint_slice, node, pod, service

LEDGER: Final = "ledger.fin.svc.mesh.test"
ENDPOINTS: Final = 1_000
FEW: Final = 200


def calls(action: Callable[[], Any]) -> int:
    """How many functions written in Python `action` calls."""
    found = 0

    def count(_frame: FrameType, event: str, _arg: Any) -> None:
        nonlocal found
        found += event == "call"

    gc.disable()  # a collection calls whoever asked to be told of it
    sys.setprofile(count)
    try:
        action()
    finally:
        sys.setprofile(None)
        gc.enable()
    return found


def slices(*, gone: int | None = None, size: int = ENDPOINTS) -> list[Any]:
    """A tenth of the endpoints in each: pod h7 has that hostname, and is on the node n7."""
    return [
        endpoint_slice(
            f"s{part}",
            "ledger",
            *(
                endpoint(f"10.4.{i // 250}.{i % 250}", pod=f"h{i}", hostname=f"h{i}", zone="z1")
                for i in range(part, size, 10)
                if i != gone
            ),
        )
        for part in range(10)
    ]


def a_world(*, local: bool = False) -> World:
    world = World()
    world.apply(service("ledger", local=local))
    pods = [
        pod(f"h{i}", "fin", f"10.4.{i // 250}.{i % 250}", node=f"n{i}") for i in range(ENDPOINTS)
    ]
    world.apply(*pods, *slices())
    return world


def gone_and_back(world: World, number: int = 7) -> int:
    """What it costs that an endpoint goes, and that it comes back."""
    without, whole = slices(gone=number)[number % 10], slices()[number % 10]
    return calls(lambda: world.apply(without)) + calls(lambda: world.apply(whole))


def by_hostname(world: World, number: int) -> EndpointStream:
    return world.get(f"h{number}.{LEDGER}:8080")


def by_node(world: World, number: int) -> EndpointStream:
    return world.get(f"{LEDGER}:8080", node=f"n{number}")


def by_both(world: World, number: int) -> EndpointStream:
    return world.get(f"h{number}.{LEDGER}:8080", node=f"n{number}")


@pytest.mark.parametrize(
    ("follow", "local", "many"),
    [(by_hostname, False, 5_000), (by_node, True, 1_000), (by_both, True, 1_000)],
)
def test_a_change_costs_nothing_for_those_whom_it_does_not_concern(
    follow: Callable[[World, int], EndpointStream], many: int, *, local: bool
) -> None:
    world = a_world(local=local)
    streams = [follow(world, number) for number in range(FEW)]
    for stream in streams:
        stream.read()
    before = gone_and_back(world)
    streams += [follow(world, number) for number in range(FEW, many)]
    for stream in streams:
        stream.read()
        stream.wakes = 0
    assert gone_and_back(world) == before
    assert sum(stream.wakes for stream in streams) == 1  # whose reader has not read since
    assert len(streams[7].read()) == 0  # gone, and back again


def test_a_pods_profile_by_hostname_costs_nothing_for_the_others() -> None:
    world = a_world()

    def follow(number: int) -> ProfileStream:
        return world.profile(f"h{number}.{LEDGER}:8080")

    streams = [follow(number) for number in range(10)]
    before = gone_and_back(world)
    streams += [follow(number) for number in range(10, ENDPOINTS)]
    assert gone_and_back(world) == before


def test_a_node_that_gets_a_zone_moves_those_who_ask_from_there() -> None:
    world = a_world()
    streams = [world.get(f"{LEDGER}:8080", node=f"n{number}") for number in range(50)]
    for stream in streams:
        stream.read()
    before = calls(lambda: world.apply(node("n1", "z1"), kind=Kind.NODE))
    more = [world.get(f"{LEDGER}:8080", node=f"m{number}") for number in range(FEW)]
    assert calls(lambda: world.apply(node("n2", "z1"), kind=Kind.NODE)) <= before
    assert [len(stream.read()) for stream in streams[:4]] == [0, 1, 1, 0]
    assert not any(stream.wakes for stream in more)


def test_asking_for_another_hostname_does_not_look_at_all_endpoints(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int] = []
    select = Filter.select

    def counted(self: Filter, addresses: Any) -> Any:
        seen.append(len(addresses))
        return select(self, addresses)

    monkeypatch.setattr(Filter, "select", counted)
    world = a_world()
    streams = [by_hostname(world, number) for number in range(2 * ENDPOINTS)]
    assert sum(seen) == ENDPOINTS
    assert [len(stream.sockets) for stream in streams[:2]] == [0, 0]
    assert streams[3].read() == ["add 10.4.0.3:8080"]
    assert streams[-1].read() == ["no_endpoints"]
