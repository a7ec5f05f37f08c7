"""The service that most tests of the index are about: fin/ledger, its slices and its pods."""

from typing import Any, Final

from linkerd.kube.objects import Endpoint, EndpointSlice
from tests.support.destination.world import EndpointStream, World
from tests.support.objects import (
    endpoint,
    endpoint_slice,
    external_workload,
    pod,
    service,
)

LEDGER: Final = "ledger.fin.svc.mesh.test:8080"
MACHINE_IP: Final = "192.0.2.40"
MACHINE: Final = f"{MACHINE_IP}:8080"


def ledger(*endpoints: Endpoint, name: str = "ledger-1", **more: Any) -> EndpointSlice:
    """A slice of the service."""
    return endpoint_slice(name, "ledger", *endpoints, **more)


def two_pods() -> World:
    """A world with the service, and the pods a and b in one slice."""
    world = World()
    world.apply(
        service("ledger"),
        pod("a", "fin", "10.4.0.1"),
        pod("b", "fin", "10.4.0.2"),
        ledger(endpoint("10.4.0.1", pod="a"), endpoint("10.4.0.2", pod="b")),
    )
    return world


def machine(name: str, ip: str = MACHINE_IP, **more: Any) -> Endpoint:
    """An endpoint that is an ExternalWorkload."""
    return endpoint(ip, pod=("ExternalWorkload", name), **more)


def follow(world: World, *objects: Any) -> EndpointStream:
    """The service comes, and these objects; a stream of its endpoints."""
    world.apply(service("ledger"), *objects)
    return world.get(LEDGER)


def open_stream(world: World, **more: Any) -> EndpointStream:
    """A stream that has read of one ExternalWorkload, metal-1, which `more` describes."""
    metal = external_workload("metal-1", "fin", MACHINE_IP, **more)
    stream = follow(world, metal, ledger(machine("metal-1")))
    assert stream.read() == [f"add {MACHINE}"]  # for tests
    return stream
