"""What an address is, and what is told of it. Ids of the catalogue: O1, O53 to O66, O70 to O72,
O76 to O78."""

import pytest

from linkerd.kube.objects import Key
from linkerd.mesh.ports import PortSet
from services.policy.index.kinds import Kind
from services.policy.index.outbound.errors import UnknownTargetError
from tests.support.policy.outbound import (
    EGRESS,
    IP,
    IPV6,
    OUTSIDE,
    PORT,
    World,
    authorities_of,
    backends_of,
    first_rule,
    kind_of,
    names_of,
    parent_of,
    routes_of,
)


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("ip", ["10.1.2.3", "10.96.0.2"])
def test_o01_o78_addresses_of_the_cluster_that_no_service_has_are_unknown(
    world: World, ip: str
) -> None:
    with pytest.raises(UnknownTargetError, match=f"no Service has {ip}"):
        world.watch(ip)
    assert world.follow_count() == 0


def test_o53_addresses_outside_are_forwarded(world: World) -> None:
    policy = world.policy(OUTSIDE, 443)
    assert policy.metadata.default == "egress-fallback"
    assert kind_of(policy) == "detect"
    assert names_of(policy) == ["egress-fallback"]
    rule = first_rule(policy)
    assert [match.ListFields() for match in rule.matches] == [[]]
    (only,) = backends_of(rule)
    assert only.backend.metadata.default == "egress-fallback"
    assert (only.backend.forward.addr.port, only.backend.forward.weight) == (443, 1)
    assert not rule.filters
    assert not rule.HasField("retry")


def test_ports_that_are_opaque_by_default_are_so_outside_too() -> None:
    world = World(opaque_ports=PortSet.of([(3306, 3306)]))
    policy = world.policy(OUTSIDE, 3306)
    assert kind_of(policy) == "opaque"
    assert names_of(policy) == ["egress-fallback"]
    assert kind_of(world.policy(OUTSIDE, 3307)) == "detect"


def test_o54_o55_streams_end_when_an_egress_network_comes_or_goes(world: World) -> None:
    watcher = world.watch(OUTSIDE)
    assert names_of(watcher.told) == ["egress-fallback"]
    network = world.egress()
    assert watcher.has_ended()
    watcher = world.watch(OUTSIDE)
    assert names_of(watcher.told) == ["http-egress-allow"]
    resource = watcher.told.metadata.resource
    assert (resource.group, resource.kind) == ("policy.linkerd.io", EGRESS)
    assert (resource.namespace, resource.name, resource.port) == ("fruit", "world", PORT)
    world.remove(Kind.EGRESS_NETWORK, network)
    assert watcher.has_ended()
    assert names_of(world.policy(OUTSIDE)) == ["egress-fallback"]


def test_an_egress_network_ends_only_streams_that_it_concerns(world: World) -> None:
    watchers = [world.watch(OUTSIDE), world.watch(IP), world.watch(OUTSIDE, source="other")]
    for watcher in watchers:
        watcher.read()
    world.egress()
    assert [watcher.has_ended() for watcher in watchers] == [True, False, False]
    world.egress(labels={"team": "a"})
    assert names_of(watchers[2].told) == ["egress-fallback"]


def test_a_stream_that_ended_is_none_that_others_join(world: World) -> None:
    """Even if somebody does not come to read that it has."""
    slow = world.watch(OUTSIDE)
    world.remove(Kind.EGRESS_NETWORK, world.egress())
    other = world.watch(OUTSIDE)
    assert names_of(other.told) == ["egress-fallback"]
    slow.subscription.close()
    world.egress(networks=["198.51.100.0/24"])
    assert not other.has_ended()
    world.egress()
    assert other.has_ended()
    assert world.follow_count() == 0


def test_a_change_of_the_egress_network_of_a_stream_is_told(world: World) -> None:
    world.egress()
    watcher = world.watch(OUTSIDE)
    assert names_of(watcher.told) == ["http-egress-allow"]
    world.egress(policy="Deny")
    assert names_of(watcher.told) == ["http-egress-deny"]


def test_o56_an_egress_network_denies(world: World) -> None:
    world.egress(policy="Deny")
    policy = world.policy(OUTSIDE)
    assert names_of(policy) == ["http-egress-deny"]
    (failure,) = first_rule(policy).filters
    assert failure.failure_injector.status == 403
    assert failure.failure_injector.message == "traffic not allowed"
    assert not failure.failure_injector.HasField("ratio")
    (stream,) = policy.protocol.detect.opaque.routes
    assert stream.metadata.default == "tcp-egress-deny"
    assert stream.rules[0].filters[0].HasField("forbidden")


@pytest.mark.parametrize("traffic", ["Allow", "Deny"])
def test_o57_an_egress_network_appends_its_default_to_http_routes(
    world: World, traffic: str
) -> None:
    world.egress(policy=traffic)
    world.route("r", parent=parent_of("world", EGRESS, port=PORT))
    policy = world.policy(OUTSIDE)
    assert kind_of(policy) == "detect"
    assert names_of(policy) == ["r", f"http-egress-{traffic.lower()}"]
    (own,) = backends_of(first_rule(policy))
    assert own.backend.forward.addr.port == PORT


def test_o58_grpc_and_tls_routes_get_a_default_and_tcp_routes_none(world: World) -> None:
    world.egress(policy="Deny")
    parent = parent_of("world", EGRESS, port=PORT)
    for kind, protocol, names in [
        (Kind.GRPC_ROUTE, "grpc", ["r", "grpc-egress-deny"]),
        (Kind.TLS_ROUTE, "tls", ["r", "tls-egress-deny"]),
        (Kind.TCP_ROUTE, "opaque", ["r"]),
    ]:
        route = world.route("r", kind, parent=parent)
        policy = world.policy(OUTSIDE)
        assert kind_of(policy) == protocol
        assert names_of(policy) == names
        for default in routes_of(policy)[1:]:
            (refusal,) = default.rules[0].filters
            what = refusal.WhichOneof("kind")
            assert what == ("failure_injector" if protocol == "grpc" else "forbidden")
            assert what != "failure_injector" or refusal.failure_injector.code == 7
        world.remove(kind, route)


def test_o59_the_smallest_network_has_the_address(world: World) -> None:
    world.egress("wide", networks=["203.0.0.0/16"], created="2026-01-01")
    world.egress("narrow", networks=["203.0.113.0/24"], created="2026-02-01")
    assert world.policy(OUTSIDE).metadata.resource.name == "narrow"


def test_o60_of_two_of_one_size_the_older_has_it(world: World) -> None:
    world.egress("a", networks=["203.0.113.0/24"], created="2026-02-01")
    world.egress("b", networks=["203.0.113.0/24"], created="2026-01-01")
    assert world.policy(OUTSIDE).metadata.resource.name == "b"


def test_o61_of_two_of_one_age_the_first_by_name_has_it(world: World) -> None:
    for name in ("b", "a", "c"):
        world.egress(name, networks=["203.0.113.0/24"], created="2026-01-01")
    assert world.policy(OUTSIDE).metadata.resource.name == "a"


def test_o62_an_exception_leaves_the_address_to_the_next(world: World) -> None:
    but = {"cidr": "203.0.113.0/24", "except": ["203.0.113.0/28"]}
    world.egress("narrow", networks=[but])
    world.egress("wide", networks=["203.0.0.0/16"])
    assert world.policy(OUTSIDE).metadata.resource.name == "wide"
    assert world.policy("203.0.113.99").metadata.resource.name == "narrow"


def test_an_exact_address_beats_any_network_of_ipv6(world: World) -> None:
    world.egress("all", networks=["2001:db8::/32"])
    world.egress("one", networks=["2001:db8::7/128"])
    assert world.policy("2001:db8::7").metadata.resource.name == "one"


def test_o63_egress_networks_of_other_namespaces_do_not_count(world: World) -> None:
    world.egress(namespace="other")
    assert world.policy(OUTSIDE).metadata.default == "egress-fallback"
    assert world.policy(OUTSIDE, source="other").metadata.resource.namespace == "other"


def test_o64_own_egress_networks_hide_those_for_all(world: World) -> None:
    world.egress(namespace="linkerd-egress", policy="Deny")
    assert names_of(world.policy(OUTSIDE)) == ["http-egress-deny"]
    world.egress("own", networks=["198.51.100.0/24"])
    assert names_of(world.policy(OUTSIDE)) == ["egress-fallback"]
    assert names_of(world.policy(OUTSIDE, source="other")) == ["http-egress-deny"]


def test_an_egress_network_that_cannot_be_read_hides_nothing(world: World) -> None:
    world.egress(namespace="linkerd-egress", policy="Deny")
    watcher = world.watch(OUTSIDE)
    world.egress("own", networks=["oops"])
    assert names_of(watcher.told) == ["http-egress-deny"]
    world.egress("own", networks=["oops", "198.51.100.0/24"])
    assert watcher.has_ended()
    assert names_of(world.policy(OUTSIDE)) == ["egress-fallback"]


def test_o65_without_networks_all_outside_the_cluster_is_meant(world: World) -> None:
    world.egress()
    assert world.policy(OUTSIDE).metadata.resource.name == "world"
    with pytest.raises(UnknownTargetError):
        world.watch("10.1.2.3")


def test_an_egress_network_may_have_addresses_of_the_cluster(world: World) -> None:
    world.egress(networks=["10.1.0.0/16"])
    assert world.policy("10.1.2.3").metadata.resource.name == "world"


def test_what_an_unreadable_egress_network_says_denies(world: World) -> None:
    world.egress(policy="Perhaps", networks=["203.0.113.0/24", "oops"])
    assert names_of(world.policy(OUTSIDE)) == ["http-egress-deny"]


def test_o66_a_route_changes_to_another_egress_network(world: World) -> None:
    world.egress("one", networks=["203.0.113.0/24"])
    world.egress("two", networks=["198.51.100.0/24"])
    watchers = [world.watch(OUTSIDE), world.watch("198.51.100.1")]
    world.route("r", parent=parent_of("one", EGRESS, port=PORT))
    assert [len(names_of(watcher.told)) for watcher in watchers] == [2, 1]
    world.route("r", parent=parent_of("two", EGRESS, port=PORT))
    assert [len(names_of(watcher.told)) for watcher in watchers] == [1, 2]


def test_o70_headless_services_take_no_routes(world: World) -> None:
    world.service(ip="None")
    world.route("r", accepted=False)
    assert names_of(world.watch_name("pear").told) == ["http"]
    with pytest.raises(UnknownTargetError):
        world.watch(IP)


def test_o71_a_port_that_the_service_has_not_is_refused_until_it_has(world: World) -> None:
    watcher = world.watch(port=9090)
    policy = watcher.told
    assert kind_of(policy) == "opaque"
    assert names_of(policy) == ["undefined-port"]
    assert policy.metadata.resource.port == 9090
    rule = first_rule(policy)
    assert rule.filters[0].HasField("forbidden")
    assert rule.backends.HasField("empty")
    world.service(ports=[PORT, 9090])
    assert watcher.has_ended()
    watcher = world.watch(port=9090)
    assert names_of(watcher.told) == ["http"]
    world.service()
    assert watcher.has_ended()


def test_o72_a_service_by_name_need_not_exist(world: World) -> None:
    watcher = world.watch_name("plum", 7)
    assert kind_of(watcher.told) == "detect"
    assert authorities_of(first_rule(watcher.told)) == ["plum.fruit.svc.cluster.local:7"]


def test_o76_all_addresses_of_a_service_have_one_policy(world: World) -> None:
    world.service(ip=[IP, "FD00::1"])
    one, other = world.watch(IP), world.watch(IPV6)
    assert one.told == other.told
    policies = world.index.home.outbound.policies
    assert len(policies) == 1  # computed and encoded once


def test_o77_what_was_told_of_a_service_that_goes_stays(world: World) -> None:
    gone = world.service(annotations={"balancer.linkerd.io/failure-accrual": "consecutive"})
    watcher = world.watch()
    assert watcher.told.protocol.detect.http1.HasField("failure_accrual")
    world.remove(Kind.SERVICE, gone)
    assert watcher.read() == []
    with pytest.raises(UnknownTargetError):
        world.watch()
    world.service()  # again
    assert not watcher.told.protocol.detect.http1.HasField("failure_accrual")
    world.remove(Kind.SERVICE, world.service())
    world.service("plum")  # which gets the address
    assert watcher.has_ended()


def test_a_service_that_moves_is_found_where_it_is(world: World) -> None:
    world.service(ip="10.96.0.9")
    assert world.policy("10.96.0.9").metadata.resource.name == "pear"
    with pytest.raises(UnknownTargetError):
        world.watch(IP)


def test_nothing_is_kept_of_followers_who_left(world: World) -> None:
    world.egress()
    world.route("r", parent=parent_of(), namespace="apps")
    sources = ("fruit", "apps", "other")
    for ip in (IP, OUTSIDE):
        for watcher in [world.watch(ip, source=source) for source in sources]:
            watcher.read()
            watcher.subscription.close()
    world.index.watch_service("fruit", Key("fruit", "pear"), PORT).close()
    assert world.follow_count() == 0
    assert not any(map(len, world.index.home.derived))
