"""What the index keeps is bounded by what there is and by who follows it, not by what was asked for
or what has happened."""

import gc
from random import Random

import pytest

from linkerd.testing.objects import endpoint, endpoint_slice, pod, service
from services.destination.index import NotFoundError
from services.destination.model.endpoints import EndpointSet
from services.destination.testing import World
from services.destination.testing_histories import kept

PATH = "ledger.fin.svc.mesh.test:8080"


def endpoint_sets() -> int:
    """How many there are in memory."""
    gc.collect()
    return sum(isinstance(item, EndpointSet) for item in gc.get_objects())


def test_asking_for_what_is_not_there_keeps_nothing() -> None:
    world = World()
    for number in range(100):
        for host in (f"x{number}.fin", f"h.x{number}.fin", f"h.ledger.x{number}"):
            path = f"{host}.svc.mesh.test:8080"
            with pytest.raises(NotFoundError):
                world.profile(path)
            if host.count(".") == 1:
                with pytest.raises(NotFoundError):
                    world.get(path)
        world.profile(f"10.0.0.{number}:80").subscription.close()
    assert kept(world.index.home) == {}


def test_versions_live_only_while_a_reader_is_at_them() -> None:
    random, world = Random(1), World()
    world.apply(service("ledger"))
    before = endpoint_sets()
    streams = [world.get(PATH, node=random.choice(["", "n1"])) for _ in range(40)]
    for number in range(400):
        ips = random.sample(range(250), 5)
        world.apply(endpoint_slice("s", "ledger", *(endpoint(f"10.4.0.{ip}") for ip in ips)))
        for stream in streams[: number % 40]:
            if random.random() < 0.2:
                stream.read()
        for view in world.index.views.values():
            for entry in view.audiences.values():  # type: ignore[attr-defined]  # a port's view
                (state,) = entry.topic.state
                assert len(state.memo) <= 64
                assert len(entry.topic._deltas) <= len(streams)
    assert endpoint_sets() - before <= len(streams) + 2
    for stream in streams:
        stream.read()
        stream.subscription.close()
    del stream, view, entry, state
    assert endpoint_sets() == before


def test_objects_that_went_leave_nothing() -> None:
    world = World()
    everything = [
        service("ledger", "fin", "10.96.0.1"),
        pod("a", "fin", "10.4.0.1"),
        endpoint_slice("s", "ledger", endpoint("10.4.0.1", pod="a", hostname="h")),
    ]
    world.apply(*everything)
    for path in (PATH, f"h.{PATH}"):
        world.profile(path).subscription.close()
    assert kept(world.index.home)
    world.delete(*everything)
    assert kept(world.index.home) == {}
