"""Which routes are told to whom. Ids of the catalogue: O3, O4, O8, O13 to O19, O28, O30, O79."""

from functools import partial
from typing import Any

import pytest

from services.policy.index.index import PolicyIndex
from services.policy.index.kinds import Kind
from services.policy.index.outbound import policies
from services.policy.wire.inbound import encode_port
from services.policy.wire.outbound import PolicyDeltas
from tests.support.policy.inbound import mesh
from tests.support.policy.objects import POLICY
from tests.support.policy.outbound import (
    EGRESS,
    IP,
    OUTSIDE,
    PORT,
    World,
    authorities_of,
    backend,
    first_rule,
    kind_of,
    names_of,
    parent_of,
    routes_of,
    taken,
)

HTTP = [Kind.HTTP_ROUTE, Kind.GATEWAY_HTTP_ROUTE]
ALL = [*HTTP, Kind.GRPC_ROUTE, Kind.TLS_ROUTE, Kind.TCP_ROUTE]


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("kind", HTTP)
def test_o03_a_route_without_rules_has_one_for_every_path(world: World, kind: Kind) -> None:
    world.route("r", kind)
    (route,) = routes_of(world.policy())
    resource = route.metadata.resource
    group = POLICY if kind is Kind.HTTP_ROUTE else "gateway.networking.k8s.io"
    assert (resource.group, resource.kind) == (group, "HTTPRoute")
    assert (resource.namespace, resource.name, resource.port) == ("fruit", "r", 0)
    assert route.rules[0].matches[0].path.prefix == "/"
    assert authorities_of(route.rules[0]) == ["pear.fruit.svc.cluster.local:8080"]


@pytest.mark.parametrize("kind", ALL)
def test_o04_a_rule_without_backends_goes_to_its_parent(world: World, kind: Kind) -> None:
    world.route("r", kind, rules=[{}])
    rule = first_rule(world.policy())
    assert rule.backends.WhichOneof("kind") == "first_available"
    assert authorities_of(rule) == ["pear.fruit.svc.cluster.local:8080"]


def test_o08_routes_are_in_order_of_age_and_then_of_name(world: World) -> None:
    ages = {"c": "2026-01-02", "b": "2026-01-02", "a": "", "d": "2026-01-01"}
    for name, created in ages.items():
        world.route(name, meta={"created": created})
    assert names_of(world.policy()) == ["d", "b", "c", "a"]


def test_o13_a_route_without_a_port_is_for_all_ports(world: World) -> None:
    world.service(ports=[PORT, 9090])
    world.route("all")
    world.route("one", parent=parent_of(port=9090))
    assert names_of(world.policy()) == ["all"]
    assert names_of(world.policy(port=9090)) == ["all", "one"]


def test_o14_routes_of_the_parents_namespace_are_for_all(world: World) -> None:
    world.route("r")
    for source in ("fruit", "other"):
        assert names_of(world.policy(source=source)) == ["r"]


def test_o15_o17_routes_of_other_namespaces_are_for_these(world: World) -> None:
    world.route("r", namespace="apps")
    assert names_of(world.policy(source="apps")) == ["r"]
    for source in ("other", "fruit"):
        assert names_of(world.policy(source=source)) == ["http"]


def test_o16_routes_of_both_namespaces_are_told_together(world: World) -> None:
    world.route("own", namespace="apps", meta={"created": "2026-01-01"})
    world.route("all", meta={"created": "2026-02-01"})
    world.route("late", namespace="apps", meta={"created": "2026-03-01"})
    assert names_of(world.policy(source="apps")) == ["own", "all", "late"]
    assert names_of(world.policy(source="other")) == ["all"]


def test_followers_of_a_namespace_hear_of_its_first_and_last_route(world: World) -> None:
    apps, other = world.watch(source="apps"), world.watch(source="other")
    assert apps.told == other.told
    route = world.route("r", namespace="apps")
    assert names_of(apps.told) == ["r"]
    world.remove(Kind.GATEWAY_HTTP_ROUTE, route)
    assert names_of(apps.told) == ["http"]
    assert other.read() == []


def test_o18_a_route_moves_to_another_service(world: World) -> None:
    world.service("plum", ip="10.96.0.2")
    watchers = [world.watch(), world.watch("10.96.0.2")]
    world.route("r")
    assert [names_of(watcher.told) for watcher in watchers] == [["r"], ["http"]]
    world.route("r", parent=parent_of("plum"))
    assert [names_of(watcher.told) for watcher in watchers] == [["http"], ["r"]]


def test_a_route_stays_until_its_status_tells_of_where_it_moves(world: World) -> None:
    world.service("plum", ip="10.96.0.2")
    watchers = [world.watch(), world.watch("10.96.0.2")]
    for status, here in [
        (taken(parent_of()), "r"),
        (taken(parent_of("plum"), accepted=False), "http"),
        (taken(parent_of(), parent_of("plum")), "http"),
    ]:
        spec = {"parentRefs": [parent_of("plum")]}
        world.put(Kind.GATEWAY_HTTP_ROUTE, "r", spec, namespace="fruit", status=status)
        assert names_of(watchers[0].told) == [here]
    assert names_of(watchers[1].told) == ["r"]


def test_a_route_stays_where_our_controller_took_it_alone(world: World) -> None:
    spec = {"parentRefs": [parent_of("plum")]}
    status = taken(parent_of(), by="example.test/gateway")
    world.put(Kind.GATEWAY_HTTP_ROUTE, "r", spec, namespace="fruit", status=status)
    assert names_of(world.policy()) == ["http"]


def test_a_route_that_gets_a_port_leaves_the_others(world: World) -> None:
    world.service(ports=[PORT, 9090])
    world.route("r")
    world.route("r", parent=parent_of(port=PORT))
    assert names_of(world.policy(port=PORT)) == ["r"]
    assert names_of(world.policy(port=9090)) == ["http"]


def test_a_parent_of_the_same_name_elsewhere_is_another(world: World) -> None:
    world.service(namespace="veg", ip="10.96.0.2")
    world.route("r", parent=parent_of(namespace="veg"), namespace="veg")
    assert names_of(world.policy("10.96.0.2")) == ["r"]
    assert names_of(world.policy(IP)) == ["http"]


@pytest.mark.parametrize("accepted", [False, None])
def test_o19_a_route_that_is_not_taken_any_more_is_gone(
    world: World, accepted: bool | None
) -> None:
    world.route("r")
    watcher = world.watch()
    assert names_of(watcher.told) == ["r"]
    world.route("r", accepted=accepted)
    assert names_of(watcher.told) == ["http"]


def test_only_our_controller_takes_routes(world: World) -> None:
    reference = parent_of()
    spec = {"parentRefs": [reference]}
    status = taken(reference, by="example.test/gateway")
    world.put(Kind.GATEWAY_HTTP_ROUTE, "r", spec, namespace="fruit", status=status)
    assert names_of(world.policy()) == ["http"]


def test_a_status_of_another_parent_does_not_count(world: World) -> None:
    references = [parent_of("plum"), parent_of(namespace="veg"), parent_of(port=9090)]
    references.append({**parent_of(), "kind": EGRESS, "group": POLICY})
    status = taken(*references)
    spec = {"parentRefs": [parent_of()]}
    world.put(Kind.GATEWAY_HTTP_ROUTE, "r", spec, namespace="fruit", status=status)
    assert names_of(world.policy()) == ["http"]


def test_routes_of_egress_networks_need_a_port(world: World) -> None:
    world.egress()
    world.route("r", parent=parent_of("world", EGRESS))
    assert names_of(world.policy(OUTSIDE)) == ["http-egress-allow"]


def test_an_egress_network_does_not_get_the_routes_of_a_service_of_its_name(world: World) -> None:
    world.egress("pear")
    world.route("r")
    assert names_of(world.policy(OUTSIDE)) == ["http-egress-allow"]


def test_o28_filters_of_rules_are_told(world: World) -> None:
    header = [{"name": "X-A", "value": "1"}]
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": "/a"}}],
        "filters": [
            {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": header}},
            {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": header}},
            {"type": "RequestRedirect", "requestRedirect": {"hostname": "a.test"}},
        ],
    }
    world.route("r", rules=[rule])
    set_header, add_header, redirect = first_rule(world.policy()).filters
    assert set_header.request_header_modifier.set.headers[0].name == "x-a"
    assert add_header.response_header_modifier.add.headers[0].value == b"1"
    assert (redirect.redirect.host, redirect.redirect.status) == ("a.test", 302)


def test_grpc_routes_tell_what_the_protocol_has_for_them(world: World) -> None:
    header = [{"name": "X-A", "value": "1"}]
    rule = {
        "filters": [
            {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": header}},
            {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": header}},
        ],
        "matches": [{"headers": [{"name": "X-B", "value": "2"}]}, {"method": {"service": "s"}}],
    }
    world.route("r", Kind.GRPC_ROUTE, rules=[rule])
    told = first_rule(world.policy())
    (only,) = told.filters
    assert only.HasField("request_header_modifier")
    assert [match.rpc.service for match in told.matches] == ["", "s"]


@pytest.mark.parametrize(
    "bad",
    [
        {"filters": [{"type": "URLRewrite"}]},
        {"filters": [{"type": "RequestMirror"}]},
        {"matches": [{"path": {"type": "Exact", "value": "a"}}]},
        {"matches": [{"headers": [{"name": "a", "type": "RegularExpression", "value": "("}]}]},
    ],
)
def test_o30_a_route_that_no_proxy_can_be_told_is_as_absent(
    world: World, bad: dict[str, Any]
) -> None:
    world.route("r")
    watcher = world.watch()
    assert names_of(watcher.told) == ["r"]
    world.route("r", rules=[bad])
    assert names_of(watcher.told) == ["http"]
    assert world.index.tally.complaints == 1


def test_o79_a_reference_without_a_kind_names_no_parent(world: World) -> None:
    reference = parent_of()
    del reference["kind"]
    for group in ("core", ""):
        world.route("r", parent={**reference, "group": group})
        assert names_of(world.policy()) == ["http"]


def test_clients_may_say_limits_by_headers_where_that_is_on() -> None:
    world = World(request_headers=True)
    assert not first_rule(world.policy()).allow_l5d_request_headers
    world.route("r", Kind.HTTP_ROUTE)
    assert first_rule(world.policy()).allow_l5d_request_headers
    world.route("g", Kind.GRPC_ROUTE)
    assert first_rule(world.policy()).allow_l5d_request_headers


def test_of_too_many_routes_the_newest_are_left_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "MAX_ROUTES", 3)
    world.egress()
    parent = parent_of("world", EGRESS, port=PORT)
    for n in range(5):
        world.route(f"r{n}", parent=parent, meta={"created": f"2026-01-{9 - n:02}"})
    watcher = world.watch(OUTSIDE)
    assert names_of(watcher.told) == ["r4", "r3", "r2", "http-egress-allow"]
    assert world.index.tally.complaints == 1


def test_a_change_that_means_nothing_to_proxies_is_not_told(world: World) -> None:
    world.route("r")
    watcher = world.watch()
    watcher.read()
    world.route("r", meta={"labels": {"team": "a"}})
    world.service(annotations={"linkerd.io/created-by": "me"})
    assert kind_of(watcher.told) == "detect"
    assert watcher.read() == []


def test_hosts_and_backends_of_a_route(world: World) -> None:
    world.route("r", Kind.GATEWAY_HTTP_ROUTE, backend("pear"), hostnames=["a.test", "*.b.test"])
    (route,) = routes_of(world.policy())
    assert [host.WhichOneof("match") for host in route.hosts] == ["exact", "suffix"]


def test_what_fits_into_no_message_is_complained_of_once(world: World) -> None:
    world.index = PolicyIndex(
        mesh(), port=encode_port, policies=partial(PolicyDeltas, max_bytes=1_000)
    )
    world.service()
    watcher = world.watch()
    for n in range(9):
        world.route(f"r{n}", meta={"created": f"2026-01-0{n + 1}"})
        watcher.read()
    assert 0 < len(names_of(watcher.told)) < 9
    assert world.index.tally.complaints == 1
