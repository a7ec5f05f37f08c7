"""Which endpoints a service's port has. Ids of the catalogue: T2 to T5, T12 to T17, T101 to T128,
N3, N6, N7, N9."""

import pytest

from services.destination.index import NotFoundError, NotServableError
from tests.support.destination.ledger import LEDGER, ledger, two_pods
from tests.support.destination.world import World
from tests.support.objects import endpoint, endpoint_slice, pod, service


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


def test_t106_t114_a_service_that_is_not_there_is_not_found() -> None:
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
