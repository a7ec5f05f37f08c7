"""Which protocol proxies are told of. Ids of the catalogue: O2, O9 to O12, O20 to O27."""

from typing import Any

import pytest

from linkerd.mesh.ports import PortSet
from services.policy.index.kinds import Kind
from tests.support.policy.outbound import (
    PORT,
    World,
    authorities_of,
    backend,
    backends_of,
    first_rule,
    kind_of,
    names_of,
    routes_of,
)

OPAQUE_PORTS = "config.linkerd.io/opaque-ports"
AUTHORITY = "pear.fruit.svc.cluster.local:8080"


@pytest.fixture
def world() -> World:
    return World(opaque_ports=PortSet.of([(3306, 3306)]))


def test_o02_a_service_without_routes_is_looked_at(world: World) -> None:
    policy = world.policy()
    assert kind_of(policy) == "detect"
    assert names_of(policy) == ["http"]
    rule = first_rule(policy)
    assert rule.matches[0].path.prefix == "/"
    assert rule.HasField("timeouts")
    assert not rule.allow_l5d_request_headers
    (only,) = backends_of(rule)
    assert only.backend.balancer.discovery.dst.path == AUTHORITY
    assert only.backend.balancer.peak_ewma.default_rtt.ToMilliseconds() == 30
    assert only.backend.balancer.peak_ewma.decay.seconds == 10
    detect = policy.protocol.detect
    assert detect.timeout.seconds == 10
    assert detect.http1.routes == detect.http2.routes
    (stream,) = detect.opaque.routes
    assert stream.metadata.default == "opaq"
    assert authorities_of(stream.rules[0]) == [AUTHORITY]


def test_o09_ports_that_an_annotation_lists_are_opaque(world: World) -> None:
    world.service(annotations={OPAQUE_PORTS: "8000-8100"})
    policy = world.policy()
    assert kind_of(policy) == "opaque"
    assert names_of(policy) == ["opaq"]


def test_o10_ports_are_opaque_by_default(world: World) -> None:
    world.service(ports=[3306])
    assert kind_of(world.policy(port=3306)) == "opaque"


@pytest.mark.parametrize("listed", ["8080", "", "oops"])
def test_o11_an_annotation_stands_instead_of_the_default(world: World, listed: str) -> None:
    world.service(ports=[3306], annotations={OPAQUE_PORTS: listed})
    assert kind_of(world.policy(port=3306)) == "detect"
    assert world.index.tally.complaints == (listed == "oops")


def test_o12_an_opaque_service_stays_so_with_an_http_route(world: World) -> None:
    world.service(annotations={OPAQUE_PORTS: "8080"})
    world.route("r")
    assert kind_of(world.policy()) == "opaque"


@pytest.mark.parametrize(
    ("said", "protocol"),
    [
        ("http", "http1"),
        ("HTTP", "http1"),
        ("kubernetes.io/h2c", "http2"),
        ("linkerd.io/tcp", "opaque"),
        ("linkerd.io/opaque", "opaque"),
        ("xmpp-ish", "opaque"),
        ("", "detect"),
    ],
)
def test_o20_o21_a_service_says_what_its_port_speaks(
    world: World, said: str, protocol: str
) -> None:
    world.service(ports=[{"port": PORT, "appProtocol": said}])
    policy = world.policy()
    assert kind_of(policy) == protocol
    assert names_of(policy) == ["opaq" if protocol == "opaque" else "http"]


def test_o22_http2_with_a_grpc_route_is_grpc(world: World) -> None:
    world.service(ports=[{"port": PORT, "appProtocol": "kubernetes.io/h2c"}])
    world.route("h")
    assert names_of(world.policy()) == ["h"]
    world.route("g", Kind.GRPC_ROUTE)
    policy = world.policy()
    assert kind_of(policy) == "grpc"
    assert names_of(policy) == ["g"]


def test_o23_what_a_port_says_counts_more_than_that_it_is_opaque_by_default(world: World) -> None:
    world.service(ports=[{"port": 3306, "appProtocol": "http"}])
    assert kind_of(world.policy(port=3306)) == "http1"


def test_o24_grpc_routes_go_before_http_routes(world: World) -> None:
    world.route("h")
    world.route("g", Kind.GRPC_ROUTE)
    policy = world.policy()
    assert kind_of(policy) == "grpc"
    assert names_of(policy) == ["g"]


def test_o25_a_tls_route_alone(world: World) -> None:
    world.service("plum", ip="10.96.0.2")
    world.route("t", Kind.TLS_ROUTE, backend("plum"), hostnames=["a.test", "*.b.test"])
    policy = world.policy()
    assert kind_of(policy) == "tls"
    (route,) = routes_of(policy)
    assert route.snis[0].exact == "a.test"
    assert list(route.snis[1].suffix.reverse_labels) == ["test", "b"]
    assert authorities_of(route.rules[0]) == ["plum.fruit.svc.cluster.local:8080"]


def test_o26_a_tcp_route_alone(world: World) -> None:
    world.route("t", Kind.TCP_ROUTE, backend("pear"))
    policy = world.policy()
    assert kind_of(policy) == "opaque"
    assert names_of(policy) == ["t"]


def test_o27_of_two_tcp_routes_the_older_counts(world: World) -> None:
    dates: dict[str, Any] = {"a": "2026-02-01", "b": "2026-01-01"}
    for name, created in dates.items():
        world.route(name, Kind.TCP_ROUTE, backend("pear"), meta={"created": created})
    assert names_of(world.policy()) == ["b"]


def test_clients_hear_of_a_tcp_route_that_does_not_count_yet(world: World) -> None:
    world.route("a", Kind.TCP_ROUTE, backend("pear"))
    watcher = world.watch()
    watcher.read()
    told = watcher.told
    spare = world.route("b", Kind.TCP_ROUTE, backend("pear"))
    assert watcher.read() == [told]
    world.route("b", Kind.TCP_ROUTE, backend("plum"))
    assert watcher.read() == []
    world.remove(Kind.TCP_ROUTE, spare)
    assert watcher.read() == [told]
