"""Ports as messages: put together from parts, and yet what the library would say."""

from random import Random

import pytest

from linkerd.policy.servers import ProxyProtocol
from linkerd.stubs.proxy import inbound_pb2 as pb
from services.policy.index.kinds import Kind
from tests.support.policy.inbound import World
from tests.support.policy.inbound_objects import MAKERS, NAMESPACES, PODS, PORTS
from tests.support.policy.objects import accepted, parents


@pytest.mark.parametrize("protocol", list(ProxyProtocol))
def test_each_protocol_is_the_librarys_own_bytes(protocol: ProxyProtocol) -> None:
    world = World()
    world.pod()
    world.server(proxyProtocol=protocol.value, accessPolicy="audit")
    for kind in (Kind.HTTP_ROUTE, Kind.GRPC_ROUTE):
        world.put(kind, "route", {"parentRefs": parents("web")}, status=accepted("web"))
    raw = world.follow().subscription.poll()
    assert raw is not None
    assert pb.Server.FromString(raw).SerializeToString(deterministic=True) == raw


@pytest.mark.parametrize("seed", range(5))
def test_anything_is_the_librarys_own_bytes(seed: int) -> None:
    random, world = Random(seed), World()
    for _, kind, make in random.choices(MAKERS, [row[0] for row in MAKERS], k=100):
        world.tell(kind, make(random))
    for namespace in NAMESPACES:
        for name in PODS:
            if (namespace, name) not in world.index.home.objects.workloads.pods:
                continue
            for port in PORTS:
                raw = world.follow(port, name, namespace).subscription.poll()
                assert raw is not None
                assert pb.Server.FromString(raw).SerializeToString(deterministic=True) == raw
