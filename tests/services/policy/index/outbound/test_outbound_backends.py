"""Where routes send traffic. Ids of the catalogue: O5 to O7, O29, O67 to O69."""

from typing import Any

import pytest

from services.policy.index.kinds import Kind
from tests.support.policy.objects import POLICY
from tests.support.policy.outbound import (
    EGRESS,
    OUTSIDE,
    PORT,
    World,
    authorities_of,
    backend,
    backends_of,
    first_rule,
    names_of,
    parent_of,
)

HTTP = [Kind.HTTP_ROUTE, Kind.GATEWAY_HTTP_ROUTE]
STREAMS = [Kind.TLS_ROUTE, Kind.TCP_ROUTE]
ALL = [*HTTP, Kind.GRPC_ROUTE, *STREAMS]


@pytest.fixture
def world() -> World:
    return World()


def weights_of(rule: Any) -> list[int]:
    return [each.weight for each in rule.backends.random_available.backends]


def failure_of(known: Any) -> str:
    """Why a backend fails what is sent to it."""
    if not known.filters:
        return ""
    (only,) = known.filters
    kind = only.WhichOneof("kind")
    if kind == "failure_injector":
        status = getattr(only.failure_injector, "status", 0) or only.failure_injector.code
        return f"{status} {only.failure_injector.message}"
    return f"{kind} {only.invalid.message}"


def own(name: str = "world", **more: Any) -> dict[str, Any]:
    """A reference to an EgressNetwork as a backend."""
    return backend(name, group=POLICY, kind=EGRESS, **more)


@pytest.mark.parametrize("kind", ALL)
def test_o05_a_backend_of_the_namespace(world: World, kind: Kind) -> None:
    world.service("plum", ip="10.96.0.2")
    world.route("r", kind, backend("plum", 99), backend("pear", weight=0))
    rule = first_rule(world.policy())
    assert authorities_of(rule) == [
        "plum.fruit.svc.cluster.local:99",
        "pear.fruit.svc.cluster.local:8080",
    ]
    assert weights_of(rule) == [1, 0]
    resource = backends_of(rule)[0].backend.metadata.resource
    assert (resource.group, resource.kind) == ("core", "Service")
    assert (resource.namespace, resource.name, resource.port) == ("fruit", "plum", 99)


def test_o06_a_backend_of_another_namespace(world: World) -> None:
    world.service("plum", namespace="veg", ip="10.96.0.2")
    world.route("r", Kind.HTTP_ROUTE, backend("plum", namespace="veg"))
    assert authorities_of(first_rule(world.policy())) == ["plum.veg.svc.cluster.local:8080"]


def test_a_backend_without_a_namespace_is_of_the_routes(world: World) -> None:
    """Upstream takes the parent's."""
    world.service("plum", namespace="apps", ip="10.96.0.2")
    world.route("r", Kind.HTTP_ROUTE, backend("plum"), namespace="apps")
    told = world.policy(source="apps")
    assert authorities_of(first_rule(told)) == ["plum.apps.svc.cluster.local:8080"]


@pytest.mark.parametrize(
    ("kind", "failure"),
    [
        *[(kind, "500 Service not found plum") for kind in HTTP],
        (Kind.GRPC_ROUTE, "14 Service not found plum"),
        *[(kind, "invalid Service not found plum") for kind in STREAMS],
    ],
)
def test_o07_a_backend_that_is_missing_fails_until_it_comes(
    world: World, kind: Kind, failure: str
) -> None:
    world.route("r", kind, backend("plum"), backend("pear"))
    watcher = world.watch()
    missing, _ = backends_of(first_rule(watcher.told))
    assert failure_of(missing) == failure
    assert missing.backend.metadata.resource.name == "plum"
    assert weights_of(first_rule(watcher.told)) == [1, 1]
    plum = world.service("plum", ip="10.96.0.2")
    assert not any(map(failure_of, backends_of(first_rule(watcher.told))))
    world.remove(Kind.SERVICE, plum)
    assert failure_of(backends_of(first_rule(watcher.told))[0]) == failure


def test_o69_a_backend_comes_for_a_route_of_all_ports(world: World) -> None:
    world.service(ports=[PORT, 9090])
    watchers = [world.watch(port=port) for port in (PORT, 9090)]
    world.route("r", Kind.HTTP_ROUTE, backend("plum"))
    for watcher in watchers:
        assert failure_of(backends_of(first_rule(watcher.told))[0])
    world.service("plum", ip="None")  # a headless one is one as well
    for watcher in watchers:
        assert authorities_of(first_rule(watcher.told)) == ["plum.fruit.svc.cluster.local:8080"]


def test_o29_filters_of_a_backend_are_on_it(world: World) -> None:
    header = [{"name": "X-A", "value": "1"}]
    changed = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": header}}
    told = {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": header}}
    world.route("r", Kind.HTTP_ROUTE, backend("pear", filters=[changed, told]), backend("pear"))
    rule = first_rule(world.policy())
    kinds = [[each.WhichOneof("kind") for each in known.filters] for known in backends_of(rule)]
    assert kinds == [["request_header_modifier", "response_header_modifier"], []]
    assert not rule.filters


@pytest.mark.parametrize(
    ("bad", "failure", "name"),
    [
        (backend("pear", None), "500 missing port for backend Service pear", ""),
        (
            backend("pear", kind="Bogus", group="a.test"),
            "500 unsupported backend type a.test Bogus",
            "",
        ),
        (
            backend("pear", filters=[{"type": "URLRewrite"}]),
            "500 unsupported backend filter: spec",
            "",
        ),
        (backend('p"', 1), "500 Service not found p", ""),
        (own("moon"), "500 EgressNetwork not found moon", "moon"),
        (own(), "500 EgressNetwork backends attach to EgressNetwork parents only", "world"),
    ],
)
def test_o68_what_is_no_backend_fails_its_share(
    world: World, bad: dict[str, Any], failure: str, name: str
) -> None:
    world.egress()
    world.route("r", Kind.HTTP_ROUTE, {**bad, "weight": 3}, backend("pear"))
    rule = first_rule(world.policy())
    invalid, good = backends_of(rule)
    assert failure_of(invalid).startswith(failure)
    assert (invalid.backend.metadata.default == "invalid") == (not name)
    assert invalid.backend.metadata.resource.name == name
    assert invalid.backend.WhichOneof("kind") is None
    assert weights_of(rule) == [3, 1]
    assert not failure_of(good)


def test_several_backends_of_no_weight_fail(world: World) -> None:
    """Proxies could not choose among them."""
    world.route("r", Kind.HTTP_ROUTE, backend("pear", weight=0), backend("pear", 9, weight=0))
    (only,) = backends_of(first_rule(world.policy()))
    assert failure_of(only) == "500 no backend has a weight"
    world.route("r", Kind.HTTP_ROUTE, backend("pear", weight=0))
    assert weights_of(first_rule(world.policy())) == [0]


@pytest.mark.parametrize("kind", ALL)
def test_o67_an_egress_network_is_a_backend_of_itself(world: World, kind: Kind) -> None:
    world.egress()
    reference = own()
    reference["port"] = 9090
    world.route("r", kind, reference, parent=parent_of("world", EGRESS, port=PORT))
    policy = world.policy(OUTSIDE)
    assert names_of(policy)[0] == "r"
    (only,) = backends_of(first_rule(policy))
    assert only.backend.forward.addr.port == PORT
    resource = only.backend.metadata.resource
    assert (resource.name, resource.port) == ("world", 9090)  # as the reference has it
    assert not failure_of(only)


def test_an_egress_network_is_no_backend_of_another(world: World) -> None:
    world.egress()
    moon = world.egress("moon", networks=["198.51.100.0/24"])
    world.route("r", Kind.HTTP_ROUTE, own("moon"), parent=parent_of("world", EGRESS, port=PORT))
    watcher = world.watch(OUTSIDE)
    assert watcher.told.metadata.resource.name == "world"
    assert "the same EgressNetwork as a parent" in failure_of(
        backends_of(first_rule(watcher.told))[0]
    )
    world.remove(Kind.EGRESS_NETWORK, moon)
    assert failure_of(backends_of(first_rule(watcher.told))[0]) == (
        "500 EgressNetwork not found moon"
    )


def test_an_egress_network_sends_into_the_cluster(world: World) -> None:
    world.egress(policy="Deny")
    parent = parent_of("world", EGRESS, port=PORT)
    world.route("r", Kind.TLS_ROUTE, backend("pear"), parent=parent)
    policy = world.policy(OUTSIDE)
    assert names_of(policy) == ["r", "tls-egress-deny"]
    assert authorities_of(first_rule(policy)) == ["pear.fruit.svc.cluster.local:8080"]
