"""What the index keeps is bounded by what there is and by who follows it, not by what was asked for
or what has happened."""

import gc
from random import Random
from typing import Any

import pytest

from services.destination.index import NotFoundError, TooManyPortsError
from services.destination.index.index import MAX_UNDECLARED
from services.destination.model.endpoints import EndpointSet
from tests.support.destination.histories import follow
from tests.support.destination.world import World
from tests.support.indexes.law import kept
from tests.support.objects import (
    container,
    endpoint,
    endpoint_slice,
    pod,
    service,
    service_profile,
)

LEDGER = "ledger.fin.svc.mesh.test"
PATH = f"{LEDGER}:8080"


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


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("get", PATH), ("get", f"h0.{PATH}"), ("get", f"{LEDGER}:9")),
        *(("profile", PATH), ("profile", f"h0.{PATH}"), ("profile", "10.96.0.1:8080")),
        *(("profile", "10.4.0.1:80"), ("profile", "192.0.2.8:7711"), ("profile", "192.0.2.9:1")),
    ],
)
def test_what_nobody_follows_any_more_is_freed_at_once(method: str, path: str) -> None:
    """By the count of its references: collections of cycles are rare in this program."""
    world = World()
    one, two = endpoint("10.4.0.1", pod="a", hostname="h0"), endpoint("10.4.0.2")
    web = container(web=(80, 7711))
    world.apply(service("ledger", "fin", "10.96.0.1"))
    world.apply(pod("a", "fin", "10.4.0.1", containers=[web], host_ip="192.0.2.8"))
    world.apply(endpoint_slice("s", "ledger", one))
    gc.collect()
    gc.disable()
    try:
        for listed in ([one, two], [two, one], [one]):
            stream = follow(world, method, path, "")
            stream.read()
            world.apply(endpoint_slice("s", "ledger", *listed))
            stream.read()
            stream.subscription.close()
        del stream
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_ports_that_a_service_does_not_declare_are_few() -> None:
    """Each costs as much as the service has endpoints."""
    world = World()
    world.apply(service("ledger"), service("other"))
    streams = [world.get(f"{LEDGER}:{port}") for port in range(100, 100 + MAX_UNDECLARED)]
    with pytest.raises(TooManyPortsError, match="fin/ledger is followed at 16 ports"):
        world.get(f"{LEDGER}:99")
    streams += [world.get(path) for path in (PATH, f"{LEDGER}:100", f"h0.{LEDGER}:101")]
    world.get("other.fin.svc.mesh.test:99").subscription.close()
    streams.pop(0).subscription.close()  # another follows port 100
    with pytest.raises(TooManyPortsError):
        world.get(f"{LEDGER}:99")
    streams.pop(1).subscription.close()
    world.get(f"{LEDGER}:99").subscription.close()
    for stream in streams:
        stream.subscription.close()
    assert not world.index.views
    assert not world.index._ports


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


def test_a_service_of_a_thousand_ports_and_its_long_annotations() -> None:
    world = World()
    ports = {f"p{number}": number for number in range(1, 1_001)}
    listed = {"config.linkerd.io/opaque-ports": ",".join([*ports, "odd"] * 15)[: 64 << 10]}
    world.apply(
        service("ledger", "fin", "10.96.0.1", ports=ports, annotations=listed),
        pod("a", "fin", "10.4.0.1", annotations=listed),
        endpoint_slice("s", "ledger", endpoint("10.4.0.1", pod="a"), ports=ports),
    )
    streams = [world.get(f"{LEDGER}:{number}") for number in ports.values()]
    assert all(len(stream.read()) == 1 for stream in streams)
    assert world.profile(f"{LEDGER}:500").one().opaque_protocol


def test_a_profile_of_a_thousand_routes_nested_as_deep_as_they_may_be() -> None:
    def nested(levels: int) -> dict[str, Any]:
        return {"all": [nested(levels - 1)]} if levels else {"pathRegex": "/" + "x" * 100}

    world = World()
    routes = [{"name": f"r{number}", "condition": nested(29)} for number in range(1_000)]
    world.apply(service("ledger"), service_profile(LEDGER, routes=routes))
    assert len(world.profile(PATH).one().routes) == 1_000


def test_slices_of_a_thousand_endpoints_each() -> None:
    """More than a message holds: the reader refuses one that is over 4 MiB."""
    world, long = World(), "p" * 200
    world.apply(service("ledger"))
    for number in range(12):
        pods = [
            pod(f"{long}-{number}-{n}", "fin", f"10.{number}.{n >> 8}.{n & 255}")
            for n in range(1_000)
        ]
        ends = [endpoint(item.status.pod_ip, pod=item.metadata.name) for item in pods]
        world.apply(*pods, endpoint_slice(f"s{number}", "ledger", *ends))
    stream = world.get(PATH)
    assert len(stream.read()) > 1
    assert len(stream.sockets) == 12_000
