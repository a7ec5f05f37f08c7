"""What kubelets ask for is served though nothing else allows it."""

from typing import Any

import pytest

from linkerd.policy.default_policies import DefaultPolicy
from linkerd.stubs.proxy import http_types_pb2
from linkerd.stubs.proxy import inbound_pb2 as pb
from services.policy.index.inbound.probes import path_on_wire
from services.policy.index.kinds import Kind
from tests.support.policy.inbound import World, plain
from tests.support.policy.objects import accepted, parents

_UP = {"httpGet": {"path": "/up?x=1", "port": 8080}}
_READY = {"httpGet": {"path": "/ready", "port": 8080}}


def _probed(server: pb.Server) -> list[str]:
    """The paths that kubelets may ask for, once their route is checked."""
    found = [r for r in server.protocol.detect.http_routes if r.metadata.default == "probe"]
    if not found:
        return []
    (route,) = found
    (authz,) = route.authorizations
    assert authz.metadata.default == "probe"
    assert plain(authz.networks[0]) == {"net": {"ip": {"ipv4": 0xC0000200}, "prefix_len": 24}}
    (rule,) = route.rules
    assert all(m.method.registered == http_types_pb2.HttpMethod.GET for m in rule.matches)
    return [match.path.exact for match in rule.matches]


def _told(*containers: Any, port: int = 8080, **settings: Any) -> list[str]:
    world = World(default_policy=DefaultPolicy.DENY, **settings)
    world.pod(containers=containers)
    return _probed(world.told(port))


def test_i45_probes_of_a_port_are_served_sorted_and_without_queries() -> None:
    assert _told({"livenessProbe": _UP, "readinessProbe": _READY}) == ["/ready", "/up"]


def test_probes_of_a_servers_port_are_served_too() -> None:
    world = World()
    world.pod(containers=[{"startupProbe": _READY}])
    world.pod("web-1")
    world.server()
    assert _probed(world.told()) == ["/ready"]
    assert _probed(world.told(name="web-1")) == []


def test_i46_a_probe_is_for_its_own_port() -> None:
    assert _told({"livenessProbe": {"httpGet": {"path": "/up", "port": 9000}}}) == []


def test_i47_a_port_of_another_container_is_not_meant() -> None:
    probe = {"livenessProbe": {"httpGet": {"path": "/up", "port": "web"}}}
    ports = {"ports": [{"name": "web", "containerPort": 8080}]}
    assert _told(probe, ports) == []
    assert _told(probe | ports) == ["/up"]


def test_i48_a_udp_port_is_not_meant() -> None:
    ports = [{"name": "web", "containerPort": 8080, "protocol": "UDP"}]
    probe = {"httpGet": {"path": "/up", "port": "web"}}
    assert _told({"livenessProbe": probe, "ports": ports}) == []


def test_i49_a_probe_without_a_path_asks_for_the_root() -> None:
    assert _told({"livenessProbe": {"httpGet": {"port": 8080}}}) == ["/"]


def test_i50_nobody_probes_where_it_is_not_known_from_where() -> None:
    assert _told({"livenessProbe": _UP}, probe_networks=()) == []


def test_i51_routes_take_the_place_of_both_defaults_until_they_go() -> None:
    world = World()
    world.pod(containers=[{"livenessProbe": _UP}])
    world.server()
    follower = world.follow()

    def names() -> list[str]:
        routes = follower.told.protocol.detect.http_routes
        return [r.metadata.default or r.metadata.resource.name for r in routes]

    assert names() == ["default", "probe"]
    spec = {"parentRefs": parents("web")}
    route = world.put(Kind.HTTP_ROUTE, "mine", spec, status=accepted("web"))
    assert names() == ["mine"]
    world.remove(Kind.HTTP_ROUTE, route)
    assert names() == ["default", "probe"]


def test_other_probes_are_none_of_ours() -> None:
    grpc, tcp = {"grpc": {"port": 8080}}, {"tcpSocket": {"port": 8080}}
    assert _told({"livenessProbe": grpc, "readinessProbe": tcp}) == []


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("", "/"),
        ("/live?x", "/live"),
        ("/a#b", "/a"),
        ("http://x/z", "/z"),
        ("/%7e", "/%7e"),
        ("/a/../b", "/a/../b"),
        ("healthz", "/healthz"),
        ("healthz/x", "/healthz/x"),
        ("/a b", "/a%20b"),
        ("/ä", "/%C3%A4"),
        ("/100%", "/100%25"),
        ("http://[/x", "/http://[/x"),
    ],
)
def test_paths_are_what_kubelets_make_of_them(written: str, asked: str) -> None:
    assert path_on_wire(written) == asked
