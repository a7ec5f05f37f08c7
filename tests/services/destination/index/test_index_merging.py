"""Slices of one service that overlap, move, change their mind or are renamed. Ids of the catalogue:
N1, N2, N4."""

import msgspec

from linkerd.kube.objects import ServicePort, ServiceSpec
from tests.support.destination.ledger import LEDGER, ledger, two_pods
from tests.support.destination.world import World
from tests.support.objects import endpoint, endpoint_slice, pod, service


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


def test_a_slice_that_becomes_a_mirror_labels_the_whole_set() -> None:
    world = two_pods()
    stream = world.get(LEDGER)
    stream.read()
    mark = {"mirror.linkerd.io/cluster-name": "north"}
    world.apply(ledger(name="mirror", labels=mark))
    assert stream.read() == ["add 10.4.0.1:8080 10.4.0.2:8080"]
    assert stream.reader.labels["target_cluster"] == "north"
