"""Routes of Servers: which are attached, and what they are told as."""

from typing import Any

import pytest

from linkerd.stubs.proxy import inbound_pb2 as pb
from services.policy.index.kinds import Kind
from tests.support.policy.inbound import World, plain
from tests.support.policy.objects import POLICY, accepted, parents

_GATEWAY = "gateway.networking.k8s.io"


def _world(**server: Any) -> World:
    world = World()
    world.pod()
    world.server(**server)
    return world


def _put(
    world: World,
    name: str = "route",
    *,
    kind: Kind = Kind.HTTP_ROUTE,
    status: Any = None,
    created: str = "",
    **spec: Any,
) -> Any:
    spec = {"parentRefs": parents("web")} | spec
    status = accepted("web") if status is None else status
    return world.put(kind, name, spec, status=status, created=created)


def _routes(server: pb.Server) -> Any:
    kind = server.protocol.WhichOneof("kind")
    assert kind is not None
    found = getattr(server.protocol, kind)
    return found.http_routes if kind == "detect" else found.routes


def _names(server: pb.Server) -> list[str]:
    return [each.metadata.default or each.metadata.resource.name for each in _routes(server)]


@pytest.mark.parametrize("protocol", ["unknown", "HTTP/1", "HTTP/2"])
@pytest.mark.parametrize("kind", [Kind.HTTP_ROUTE, Kind.GATEWAY_HTTP_ROUTE])
def test_i39_a_route_that_is_accepted_is_told(protocol: str, kind: Kind) -> None:
    world = _world(proxyProtocol=protocol)
    _put(world, kind=kind, hostnames=["a.test", "*.b.test"])
    (route,) = _routes(world.told())
    group = POLICY if kind is Kind.HTTP_ROUTE else _GATEWAY
    resource = {"group": group, "kind": "HTTPRoute", "name": "route"}
    assert plain(route) == {
        "metadata": {"resource": resource},
        "hosts": [{"exact": "a.test"}, {"suffix": {"reverse_labels": ["test", "b"]}}],
        "rules": [{"matches": [{"path": {"prefix": "/"}}]}],
    }


@pytest.mark.parametrize(
    "status",
    [
        pytest.param({}, id="i40"),
        accepted("web", status="False"),
        accepted("other"),
        accepted("web", by="somebody.else/controller"),
    ],
)
def test_a_route_that_nobody_has_accepted_counts_as_absent(status: Any) -> None:
    world = _world()
    _put(world, status=status)
    assert _names(world.told()) == ["default"]


def test_a_route_follows_its_status() -> None:
    world = _world()
    follower = world.follow()
    for status, names in ((accepted("web"), ["route"]), ({}, ["default"])):
        _put(world, status=status)
        assert _names(follower.told) == names


def test_i41_a_policy_may_be_for_a_route() -> None:
    world = _world()
    _put(world)
    target = {"group": POLICY, "kind": "HttpRoute", "name": "route"}
    spec = {"targetRef": target, "requiredAuthenticationRefs": []}
    policy = world.put(Kind.AUTHORIZATION_POLICY, "policy", spec)
    follower = world.follow()
    assert not follower.told.authorizations
    (authz,) = _routes(follower.told)[0].authorizations
    assert authz.metadata.resource.name == "policy"
    world.remove(Kind.AUTHORIZATION_POLICY, policy)
    assert not _routes(follower.told)[0].authorizations


def test_a_policy_is_for_routes_of_the_group_that_it_names() -> None:
    world = _world()
    _put(world, kind=Kind.GATEWAY_HTTP_ROUTE)
    target = {"group": POLICY, "kind": "HTTPRoute", "name": "route"}
    spec = {"targetRef": target, "requiredAuthenticationRefs": []}
    world.put(Kind.AUTHORIZATION_POLICY, "policy", spec)
    assert not _routes(world.told())[0].authorizations


def test_i42_older_routes_come_first() -> None:
    world = _world()
    _put(world, "undated")
    _put(world, "c", created="2026-02-01")
    _put(world, "b", created="2026-03-01")
    _put(world, "a", created="2026-03-01")
    assert _names(world.told()) == ["c", "a", "b", "undated"]


def test_i43_calls_have_a_default_too() -> None:
    (route,) = _routes(_world(proxyProtocol="gRPC").told())
    assert plain(route) == {
        "metadata": {"default": "default"},
        "rules": [{"matches": [{"rpc": {}}]}],
    }


def test_i44_a_grpc_route_is_for_servers_that_speak_grpc() -> None:
    world = _world(proxyProtocol="gRPC")
    rules = [{"matches": [{"method": {"service": "a.B"}}, {"headers": [{"name": "X"}]}]}]
    _put(world, kind=Kind.GRPC_ROUTE, rules=rules)
    _put(world, "http")
    (route,) = _routes(world.told())
    header = {"name": "x", "exact": ""}
    assert plain(route) == {
        "metadata": {"resource": {"group": _GATEWAY, "kind": "GRPCRoute", "name": "route"}},
        "rules": [{"matches": [{"rpc": {"service": "a.B"}}, {"rpc": {}, "headers": [header]}]}],
    }
    world.server(proxyProtocol="HTTP/2")
    assert _names(world.told()) == ["http"]


def test_i67_requests_may_be_sent_elsewhere() -> None:
    world = _world()
    redirect = {"scheme": "https", "hostname": "b.test", "port": 8443, "statusCode": 301}
    filters = [{"type": "RequestRedirect", "requestRedirect": redirect}]
    _put(world, rules=[{"filters": filters}])
    (filter_,) = _routes(world.told())[0].rules[0].filters
    told = {"scheme": {"registered": "HTTPS"}, "host": "b.test", "port": 8443, "status": 301}
    assert plain(filter_) == {"redirect": told}


def test_headers_of_requests_may_be_changed_and_those_of_answers_not() -> None:
    world = _world()
    changes = {"set": [{"name": "X-A", "value": "1"}], "remove": ["X-B"]}
    filters = [
        {"type": "RequestHeaderModifier", "requestHeaderModifier": changes},
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": changes},
    ]
    _put(world, kind=Kind.GATEWAY_HTTP_ROUTE, rules=[{"filters": filters}])
    told = [plain(each) for each in _routes(world.told())[0].rules[0].filters]
    header = {"name": "x-a", "value": "MQ=="}
    modifier = {"add": {}, "set": {"headers": [header]}, "remove": ["x-b"]}
    assert told == [{"request_header_modifier": modifier}]


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"rules": [{"filters": [{"type": "RequestMirror"}]}]}, id="i68"),
        {"rules": [{"filters": [{"type": "RequestHeaderModifier"}]}]},
        {"rules": [{"matches": [{"path": {"type": "Exact", "value": "a"}}]}]},
        {"rules": [{"matches": [{"path": {"type": "RegularExpression", "value": "("}}]}]},
        pytest.param({"parentRefs": [*parents("web"), *parents("web", port=80)]}, id="i69"),
        {"parentRefs": [*parents("web"), *parents("api", sectionName="x")]},
        {"parentRefs": [*parents("web"), *parents("api", namespace="ops")]},
    ],
)
def test_a_route_that_cannot_be_told_whole_counts_as_absent(spec: Any) -> None:
    world = _world()
    _put(world, kind=Kind.GATEWAY_HTTP_ROUTE)
    follower = world.follow()
    assert _names(follower.told) == ["route"]
    _put(world, kind=Kind.GATEWAY_HTTP_ROUTE, **spec)
    assert _names(follower.told) == ["default"]


def test_a_route_may_be_of_several_servers() -> None:
    world = _world()
    world.server("api", 9000)
    _put(world, parentRefs=parents("web", "api"), status=accepted("web", "api"))
    assert _names(world.told(8080)) == ["route"]
    assert _names(world.told(9000)) == ["route"]


def test_parents_that_are_no_servers_do_not_matter() -> None:
    world = _world()
    service = {"group": "core", "kind": "Service", "name": "web", "port": 80}
    _put(world, parentRefs=[*parents("web"), service])
    assert _names(world.told()) == ["route"]
