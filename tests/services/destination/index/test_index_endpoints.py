"""Which endpoints a service's port has. Ids of the catalogue: T3 to T5, T12 to T17, T100 to T129,
N1 to N14 as far as they are about sets of endpoints."""

import msgspec
import pytest

from linkerd.kube.objects import ServicePort, ServiceSpec
from linkerd.testing.objects import endpoint, endpoint_slice, node, pod, service
from services.destination.index import Kind, NotFoundError, NotServableError
from services.destination.index.ports import PortView
from services.destination.testing import World

LEDGER = "ledger.fin.svc.mesh.test:8080"


def ledger(*endpoints: object, name: str = "ledger-1", **more: object) -> object:
    return endpoint_slice(name, "ledger", *endpoints, **more)  # type: ignore[arg-type]  # passes on


def two_pods() -> World:
    world = World()
    world.apply(
        service("ledger"),
        pod("a", "fin", "10.4.0.1"),
        pod("b", "fin", "10.4.0.2"),
        ledger(endpoint("10.4.0.1", pod="a"), endpoint("10.4.0.2", pod="b")),
    )
    return world


def test_t3_one_add_and_no_second_message() -> None:
    world = World()
    world.apply(service("ledger"), pod("a", "fin", "10.4.0.7"))
    world.apply(ledger(endpoint("10.4.0.7", pod="a")))
    stream = world.get(LEDGER)
    assert stream.read() == ["add 10.4.0.7:8080"]
    assert stream.read() == []


def test_t4_single_stack_ipv6() -> None:
    world = World()
    world.apply(service("ledger"), pod("a", "fin", "fd00:4::7"))
    world.apply(ledger(endpoint("fd00:4::7", pod="a")))
    assert world.get(LEDGER).read() == ["add [fd00:4::7]:8080"]


def dual() -> tuple[World, object, object]:
    world = World()
    v4 = ledger(endpoint("10.4.0.7", pod="a"), name="v4")
    v6 = ledger(endpoint("fd00:4::7", pod="a"), name="v6")
    world.apply(service("ledger"), pod("a", "fin", "10.4.0.7", "fd00:4::7"), v4, v6)
    return world, v4, v6


def test_t5_dual_stack_gives_ipv6_only() -> None:
    world, _, _ = dual()
    assert world.get(LEDGER).read() == ["add [fd00:4::7]:8080"]


def test_t12_to_t17_dual_stack_transitions() -> None:
    world, v4, v6 = dual()
    stream = world.get(LEDGER)
    assert stream.read() == ["add [fd00:4::7]:8080"]  # T12
    world.delete(v6)
    assert stream.read() == ["add 10.4.0.7:8080", "remove [fd00:4::7]:8080"]  # T13
    world.apply(v6)
    assert stream.read() == ["add [fd00:4::7]:8080", "remove 10.4.0.7:8080"]  # T14
    extra = ledger(endpoint("10.4.0.77", pod="a"), name="v4-extra")
    world.apply(extra)
    assert stream.read() == []  # T15
    world.delete(extra)
    assert stream.read() == []  # T16
    world.delete(v4)
    assert stream.read() == []  # T17


def test_t110_pods_and_a_bare_address() -> None:
    world = two_pods()
    world.apply(ledger(endpoint("192.0.2.9"), name="bare"))
    stream = world.get(LEDGER)
    stream.read()
    assert stream.sockets == {"10.4.0.1:8080", "10.4.0.2:8080", "192.0.2.9:8080"}


def test_t101_t102_the_name_of_the_service_port_counts() -> None:
    world = World()
    world.apply(
        service("ledger", ports={"web": 80, "": 81}),
        pod("a", "fin", "10.4.0.1"),
        ledger(endpoint("10.4.0.1", pod="a"), ports={"http-alt": 1, "web": 18080, "": 18081}),
    )
    assert world.get("ledger.fin.svc.mesh.test").read() == ["add 10.4.0.1:18080"]
    assert world.get("ledger.fin.svc.mesh.test:81").read() == ["add 10.4.0.1:18081"]


def test_n9_a_port_that_the_service_does_not_declare_is_taken_as_it_is() -> None:
    world = two_pods()
    assert world.get("ledger.fin.svc.mesh.test:9999").read() == ["add 10.4.0.1:9999 10.4.0.2:9999"]


def test_t103_t111_n6_a_pod_that_comes_late_is_added_without_an_event_of_its_slice() -> None:
    world = World()
    world.apply(service("ledger"), pod("a", "fin", "10.4.0.1"))
    world.apply(ledger(endpoint("10.4.0.1", pod="a"), endpoint("10.4.0.2", pod="b")))
    stream = world.get(LEDGER)
    assert stream.read() == ["add 10.4.0.1:8080"]
    world.apply(pod("b", "fin", "10.4.0.2"))
    assert stream.read() == ["add 10.4.0.2:8080"]


def test_t104_t112_n7_a_service_without_endpoints_is_said_to_be_empty() -> None:
    world = World()
    world.apply(service("ledger"))
    assert world.get(LEDGER).read() == ["no_endpoints"]


def test_t2_t105_t113_an_external_name_cannot_be_served() -> None:
    world = World()
    world.apply(service("outside", type="ExternalName"))
    with pytest.raises(NotServableError):
        world.get("outside.fin.svc.mesh.test")


def test_a_service_that_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="fin/ledger"):
        World().get(LEDGER)
    assert not World().index.views


def test_t107_t115_hostname_of_one_pod() -> None:
    world = World()
    names = ["vault-0", "vault-1", "vault-2"]
    ips = [f"10.4.0.{i}" for i in range(3)]
    pairs = list(zip(names, ips, strict=True))
    world.apply(service("vault", ports={}), *(pod(name, "fin", ip) for name, ip in pairs))
    endpoints = [endpoint(ip, pod=name, hostname=name) for name, ip in pairs]
    world.apply(endpoint_slice("v", "vault", *endpoints))
    assert world.get("vault-2.vault.fin.svc.mesh.test:5432").read() == ["add 10.4.0.2:5432"]
    stream = world.get("vault-9.vault.fin.svc.mesh.test:5432")
    assert stream.read() == ["no_endpoints"]
    endpoints.append(endpoint("10.4.0.9", hostname="vault-9"))
    world.apply(endpoint_slice("v", "vault", *endpoints))
    assert stream.read() == ["add 10.4.0.9:5432"]


def test_t108_slices_whose_ports_are_named_otherwise_do_not_count() -> None:
    world = World()
    world.apply(service("ledger", ports={"p1": 8080}))
    world.apply(
        ledger(endpoint("192.0.2.1"), ports={"p1": 8080}),
        ledger(endpoint("192.0.2.2"), ports={"p2": 8080}, name="other"),
    )
    assert world.get(LEDGER).read() == ["add 192.0.2.1:8080"]


def test_t116_a_slice_of_no_service_is_ignored_and_one_may_be_owned() -> None:
    world = World()
    world.apply(service("ledger"))
    world.apply(endpoint_slice("nobody", None, endpoint("192.0.2.1")))
    owners = [("Service", "ledger")]
    world.apply(endpoint_slice("owned", None, endpoint("192.0.2.2"), owners=owners))
    assert world.get(LEDGER).read() == ["add 192.0.2.2:8080"]


def test_t117_no_ipv6_of_pods_while_it_is_off() -> None:
    world = World(ipv6=False)
    world.apply(service("ledger"), pod("a", "fin", "10.4.0.7", "fd00:4::7"))
    world.apply(ledger(endpoint("fd00:4::7", pod="a")), ledger(endpoint("fd00:9::1"), name="bare"))
    stream = world.get(LEDGER)
    assert stream.read() == ["add [fd00:9::1]:8080"]
    world.apply(ledger(endpoint("10.4.0.7", pod="a"), name="v4"))
    assert stream.read() == ["add 10.4.0.7:8080"]


def test_t120_the_service_goes_and_comes_back() -> None:
    world = two_pods()
    stream = world.get(LEDGER)
    stream.read()
    world.delete(service("ledger"))
    assert stream.read() == ["remove 10.4.0.1:8080 10.4.0.2:8080"]
    world.apply(service("ledger"))
    assert stream.read() == ["add 10.4.0.1:8080 10.4.0.2:8080"]


def test_t121_slices_go_one_by_one() -> None:
    world = two_pods()
    other = ledger(endpoint("192.0.2.1"), name="other")
    world.apply(other)
    stream = world.get(LEDGER)
    stream.read()
    world.delete(other)
    assert stream.read() == ["remove 192.0.2.1:8080"]
    world.delete(ledger())
    assert stream.read() == ["remove 10.4.0.1:8080 10.4.0.2:8080"]


def test_t123_t124_a_pod_is_told_again_when_something_about_it_changed() -> None:
    world = two_pods()
    stream = world.get(LEDGER)
    stream.read()
    world.apply(pod("a", "fin", "10.4.0.1"))  # a new version of the same
    assert (stream.read(), stream.wakes) == ([], 0)
    world.apply(pod("a", "fin", "10.4.0.1", account="other"))
    assert stream.read() == ["add 10.4.0.1:8080"]
    assert stream.address("10.4.0.1:8080").metric_labels["serviceaccount"] == "other"


def test_t125_n3_endpoints_are_removed_although_their_pods_are_gone() -> None:
    for last in (ledger(), None):  # an empty slice, or none
        world = two_pods()
        stream = world.get(LEDGER)
        stream.read()
        world.delete(pod("a"), pod("b"))
        removed = stream.read()
        if last is None:
            world.delete(ledger())
        else:
            world.apply(last)
        assert removed + stream.read() == ["remove 10.4.0.1:8080 10.4.0.2:8080"]


def test_t126_t128_readiness() -> None:
    world = two_pods()
    stream = world.get(LEDGER)
    stream.read()
    a = endpoint("10.4.0.1", pod="a", ready=True)
    world.apply(ledger(a, endpoint("10.4.0.2", pod="b", ready=False)))
    assert stream.read() == ["remove 10.4.0.2:8080"]
    world.apply(ledger(a, endpoint("10.4.0.2", pod="b", ready=True)))
    assert stream.read() == ["add 10.4.0.2:8080"]


def test_n1_another_port_is_added_before_the_old_one_is_removed() -> None:
    world = two_pods()
    stream = world.get(LEDGER)
    stream.read()
    both = endpoint("10.4.0.1", pod="a"), endpoint("10.4.0.2", pod="b")
    world.apply(ledger(*both, ports={"": 8181}))
    assert stream.read() == [
        "add 10.4.0.1:8181 10.4.0.2:8181",
        "remove 10.4.0.1:8080 10.4.0.2:8080",
    ]


def test_n2_a_pod_of_the_same_name_with_another_ip() -> None:
    world = two_pods()
    stream = world.get(LEDGER)
    stream.read()
    moved = ledger(endpoint("10.4.0.9", pod="a"), endpoint("10.4.0.2", pod="b"))
    world.apply(pod("a", "fin", "10.4.0.9"), moved)
    assert stream.read() == ["add 10.4.0.9:8080", "remove 10.4.0.1:8080"]


def test_n4_an_endpoint_that_moves_between_slices_stays() -> None:
    world = two_pods()
    a, b = endpoint("10.4.0.1", pod="a"), endpoint("10.4.0.2", pod="b")
    stream = world.get(LEDGER)
    stream.read()
    world.apply(ledger(a, name="ledger-2"))  # now in both
    assert stream.read() == []
    world.apply(ledger(b))  # now in the second only
    assert stream.read() == []
    assert stream.sockets == {"10.4.0.1:8080", "10.4.0.2:8080"}


def test_the_newest_of_two_slices_that_disagree_wins() -> None:
    world = two_pods()
    stream = world.get(LEDGER)
    stream.read()
    world.apply(ledger(endpoint("10.4.0.1", pod="a", zone="z1"), name="ledger-2"))
    assert stream.read() == ["add 10.4.0.1:8080"]
    assert stream.address("10.4.0.1:8080").metric_labels["zone"] == "z1"
    world.apply(ledger(endpoint("10.4.0.1", pod="a"), endpoint("10.4.0.2", pod="b")))
    assert stream.read() == ["add 10.4.0.1:8080"]
    assert stream.address("10.4.0.1:8080").metric_labels["zone"] == ""


def test_two_pods_with_one_ip_are_one_endpoint_and_the_one_that_stays_is_not_removed() -> None:
    world = World()
    world.apply(service("ledger"), pod("old", "fin", "10.4.0.1"), pod("new", "fin", "10.4.0.1"))
    world.apply(ledger(endpoint("10.4.0.1", pod="old")))
    stream = world.get(LEDGER)
    stream.read()
    world.apply(ledger(endpoint("10.4.0.1", pod="new"), name="ledger-2"))
    assert stream.read() == ["add 10.4.0.1:8080"]
    world.apply(ledger())
    assert stream.read() == []
    assert stream.address("10.4.0.1:8080").metric_labels["pod"] == "new"


def test_set_labels() -> None:
    world = two_pods()
    stream = world.get(LEDGER)
    stream.read()
    assert stream.reader.labels == {"namespace": "fin", "service": "ledger"}


def test_a_slice_that_changes_its_service_leaves_the_first() -> None:
    world = two_pods()
    world.apply(service("other"))
    first, second = world.get(LEDGER), world.get("other.fin.svc.mesh.test:8080")
    first.read(), second.read()
    world.apply(endpoint_slice("ledger-1", "other", endpoint("10.4.0.1", pod="a")))
    assert first.read() == ["remove 10.4.0.1:8080 10.4.0.2:8080"]
    assert second.read() == ["add 10.4.0.1:8080"]


def test_renaming_the_port_of_the_service_looks_again_at_its_slices() -> None:
    world = World()
    world.apply(service("ledger", ports={"a": 8080}))
    world.apply(ledger(endpoint("192.0.2.1"), ports={"a": 1, "b": 2}))
    stream = world.get(LEDGER)
    stream.read()
    world.apply(service("ledger", ports={"b": 8080}))
    assert stream.read() == ["add 192.0.2.1:2", "remove 192.0.2.1:1"]


def test_of_two_ports_with_one_number_the_tcp_one_counts() -> None:
    world = World()
    dns = service("dns", ports={"udp": 53, "tcp": 53})
    declared = (ServicePort(53, "udp", "UDP"), ServicePort(53, "tcp", "TCP"))
    world.apply(msgspec.structs.replace(dns, spec=ServiceSpec(ports=declared)))
    world.apply(endpoint_slice("d", "dns", endpoint("192.0.2.1"), ports={"udp": 1, "tcp": 2}))
    assert world.get("dns.fin.svc.mesh.test:53").read() == ["add 192.0.2.1:2"]


def test_of_a_pods_addresses_in_one_endpoint_the_first_counts_and_of_nobodys_all() -> None:
    world = World()
    world.apply(service("ledger"), pod("a", "fin", "10.4.0.1"))
    world.apply(ledger(endpoint("10.4.0.1", "10.4.0.2", pod="a")))
    world.apply(ledger(endpoint("192.0.2.1", "192.0.2.2"), name="bare"))
    expected = ["add 10.4.0.1:8080 192.0.2.1:8080 192.0.2.2:8080"]
    assert world.get(LEDGER).read() == expected


def test_what_was_encoded_for_versions_that_are_past_is_let_go() -> None:
    world = two_pods()
    stream = world.get(LEDGER)
    stream.read()
    (view,) = world.index.views.values()
    assert isinstance(view, PortView)
    (entry,) = view.audiences.values()
    assert entry.topic.state is not None
    (before,) = entry.topic.state
    assert before.memo
    world.apply(ledger())
    assert not before.memo


def zones(world: World) -> None:
    world.apply(node("n1", "z1"), node("n2", "z2"), node("n3"), kind=Kind.NODE)


def test_t131_t132_zones_before_families() -> None:
    world = World()
    zones(world)
    world.apply(service("ledger"), pod("a", "fin", "10.4.0.7", "fd00:4::7"))
    for hint, expected in (("z1", "add [fd00:4::7]:8080"), ("z2", "add 10.4.0.7:8080")):
        world.apply(
            ledger(endpoint("10.4.0.7", pod="a", hints=["z1"])),
            ledger(endpoint("fd00:4::7", pod="a", hints=[hint]), name="v6"),
        )
        assert world.get(LEDGER, node="n1").read() == [expected]


def test_t133_the_other_zone_is_nobodys_business() -> None:
    world = World()
    zones(world)
    mine, other = endpoint("192.0.2.1", hints=["z1"]), endpoint("192.0.2.2", hints=["z2"])
    world.apply(service("ledger"), ledger(mine, other))
    stream = world.get(LEDGER, node="n1")
    assert stream.read() == ["add 192.0.2.1:8080"]
    world.apply(ledger(mine))
    assert (stream.read(), stream.wakes) == ([], 0)


def test_n12_n13_n14_when_zones_do_not_filter() -> None:
    world = World()
    zones(world)
    hinted, other = endpoint("192.0.2.1", hints=["z2"]), endpoint("192.0.2.2", hints=["z3"])
    world.apply(service("ledger"), ledger(hinted, other))
    both = ["add 192.0.2.1:8080 192.0.2.2:8080"]
    assert world.get(LEDGER, node="n3").read() == both  # N12: the node has no zone
    assert world.get(LEDGER, node="nowhere").read() == both
    assert world.get(LEDGER).read() == both
    assert world.get(LEDGER, node="n1").read() == both  # N14: nothing for this zone
    assert world.get(LEDGER, node="n2").read() == ["add 192.0.2.1:8080"]
    world.apply(ledger(hinted, endpoint("192.0.2.2")))
    assert world.get(LEDGER, node="n2").read() == both  # N13: not all are hinted


def test_t129_t130_hints_filter_and_are_not_told_themselves() -> None:
    world = World()
    zones(world)
    plain = [endpoint("192.0.2.1"), endpoint("192.0.2.2")]
    hinted = [endpoint("192.0.2.1", hints=["z1"]), endpoint("192.0.2.2", hints=["z2"])]
    world.apply(service("ledger"), ledger(*plain))
    here, anywhere = world.get(LEDGER, node="n1"), world.get(LEDGER)
    here.read(), anywhere.read()
    world.apply(ledger(*hinted))
    assert (here.read(), anywhere.read()) == (["remove 192.0.2.2:8080"], [])
    world.apply(ledger(*plain))
    assert (here.read(), anywhere.read()) == (["add 192.0.2.2:8080"], [])


def test_a_node_that_gets_its_zone_later() -> None:
    world = World()
    world.apply(service("ledger"), pod("a", "fin", "10.4.0.1"))
    world.apply(ledger(endpoint("10.4.0.1", pod="a", zone="z1")))
    stream = world.get(LEDGER, node="n1")
    stream.read()
    assert stream.address("10.4.0.1:8080").metric_labels["zone_locality"] == "unknown"
    zones(world)
    assert stream.read() == ["add 10.4.0.1:8080"]
    assert stream.address("10.4.0.1:8080").metric_labels["zone_locality"] == "local"


def local(*, policy: bool) -> World:
    world = World()
    world.apply(
        service("ledger", local=policy),
        pod("a", "fin", "10.4.0.1", node="n1"),
        pod("b", "fin", "10.4.0.2", node="n2"),
        ledger(endpoint("10.4.0.1", pod="a"), endpoint("10.4.0.2", pod="b"), endpoint("192.0.2.1")),
    )
    return world


def test_t134_local_traffic_stays_on_the_node() -> None:
    world = local(policy=True)
    stream = world.get(LEDGER, node="n1")
    assert stream.read() == ["add 10.4.0.1:8080"]
    world.apply(ledger(endpoint("10.4.0.1", pod="a")))
    assert stream.read() == []


def test_n11_local_traffic_from_nowhere_goes_nowhere() -> None:
    assert local(policy=True).get(LEDGER).read() == ["no_endpoints"]


def test_t135_the_policy_changes() -> None:
    world = local(policy=True)
    stream = world.get(LEDGER, node="n1")
    stream.read()
    world.apply(service("ledger"))
    assert stream.read() == ["add 10.4.0.2:8080 192.0.2.1:8080"]
    world.apply(service("ledger", local=True))
    assert stream.read() == ["remove 10.4.0.2:8080 192.0.2.1:8080"]


def test_the_last_follower_takes_everything_along() -> None:
    world = two_pods()
    streams = [world.get(LEDGER, node=name) for name in ("", "n1", "n2")]
    assert len(world.index.views) == 1
    assert len(world.index.home.facts) == 2
    for stream in streams:
        stream.subscription.close()
    assert not world.index.views
    assert not len(world.index.home.facts)
    assert not len(world.index.home.dependencies)
    world.apply(pod("a", "fin", "10.4.0.1", account="other"))


def test_a_follower_may_leave_while_another_is_woken() -> None:
    world = two_pods()
    first, second = world.get(LEDGER), world.get(LEDGER, node="n1")
    first.read(), second.read()
    first.subscription.on_wake(second.subscription.close)
    second.subscription.on_wake(first.subscription.close)
    world.apply(ledger())
    assert world.index.tally.failures == 0
    first.subscription.close()
    second.subscription.close()
    assert not world.index.views


def test_a_follower_of_another_view_may_leave_while_one_is_woken() -> None:
    world = two_pods()
    endpoints, profile = world.get(LEDGER), world.profile(LEDGER)
    endpoints.read(), profile.read()
    endpoints.subscription.on_wake(profile.subscription.close)
    profile.subscription.on_wake(endpoints.subscription.close)
    world.delete(service("ledger"))  # concerns both
    endpoints.subscription.close()
    profile.subscription.close()
    assert (len(world.index.views), len(world.index.home.dependencies)) == (0, 0)


def test_a_slice_that_becomes_a_mirror_labels_the_whole_set() -> None:
    world = two_pods()
    stream = world.get(LEDGER)
    stream.read()
    mark = {"mirror.linkerd.io/cluster-name": "north"}
    world.apply(ledger(name="mirror", labels=mark))
    assert stream.read() == ["add 10.4.0.1:8080 10.4.0.2:8080"]
    assert stream.reader.labels["target_cluster"] == "north"


def test_topics_of_one_zone_share_their_sets() -> None:
    world = two_pods()
    world.get(LEDGER, node="n1"), world.get(LEDGER, node="n2")
    (view,) = world.index.views.values()
    assert isinstance(view, PortView)
    assert len({part for entry in view.audiences.values() for part in entry.topic.state or ()}) == 1


def test_a_slow_reader_gets_ten_thousand_flaps_as_one_step() -> None:
    world = two_pods()
    slow, fast = world.get(LEDGER), world.get(LEDGER)
    slow.read(), fast.read()
    a, b = endpoint("10.4.0.1", pod="a"), endpoint("10.4.0.2", pod="b")
    for _ in range(5_000):
        world.apply(ledger(a))
        assert fast.read() == ["remove 10.4.0.2:8080"]
        world.apply(ledger(a, b, endpoint("10.4.0.3", pod="missing")))
        assert fast.read() == ["add 10.4.0.2:8080"]
    world.apply(ledger(a))
    assert slow.wakes == 1
    assert slow.read() == ["remove 10.4.0.2:8080"]
