"""Which services look again at which event."""

import msgspec

from linkerd.kube.events import Applied, Deleted
from linkerd.kube.objects import EndpointSlice, Key
from linkerd.mesh.labels import SLICE_MANAGED_BY
from services.destination.workloads.cluster import Cluster
from services.destination.workloads.names import MANAGER
from tests.support.objects import endpoint_slice
from tests.support.workloads.plans import machine, make_service

LEDGER, TILL = Key("fin", "ledger"), Key("fin", "till")
OURS = {SLICE_MANAGED_BY: MANAGER}


def ours(name: str = "s1", of: str = "ledger") -> EndpointSlice:
    """A slice of ours, of a version of its own."""
    return endpoint_slice(name, of, labels=OURS)


def version(now: EndpointSlice) -> str:
    return now.metadata.resource_version


def test_a_service() -> None:
    cluster = Cluster()
    assert cluster.take_service(Applied(make_service())) == {LEDGER}
    assert cluster.take_service(Deleted(make_service())) == {LEDGER}
    assert cluster.service(LEDGER) is None
    system = make_service(namespace="kube-system")
    assert cluster.take_service(Applied(system)) == set()


def test_a_workload() -> None:
    cluster = Cluster()
    cluster.take_service(Applied(make_service()))
    cluster.take_service(Applied(make_service(namespace="other")))
    cluster.take_service(Applied(make_service("till", selector={"app": "till"})))
    assert cluster.take_workload(Applied(machine("m1"))) == {LEDGER}
    assert cluster.take_workload(Applied(machine("m1"))) == set()
    assert cluster.take_workload(Applied(machine("m1", ready=False))) == {LEDGER}
    moved = machine("m1", labels={"app": "till"}, ready=False)
    assert cluster.take_workload(Applied(moved)) == {LEDGER, TILL}
    assert cluster.take_workload(Deleted(machine("m1", labels={"app": "till"}))) == {TILL}


def test_a_foreign_slice() -> None:
    cluster = Cluster()
    assert cluster.take_slice(Applied(endpoint_slice("s1", "ledger"))) == set()
    assert cluster.take_slice(Deleted(endpoint_slice("s1", "ledger"))) == set()
    assert not cluster.slices.of(LEDGER)


def test_our_slice() -> None:
    cluster = Cluster()
    assert cluster.take_slice(Applied(ours())) == {LEDGER}
    assert cluster.take_slice(Applied(ours())) == {LEDGER}
    assert len(cluster.slices.of(LEDGER)) == 1
    assert cluster.take_slice(Deleted(ours())) == {LEDGER}
    assert not cluster.slices.of(LEDGER)


def test_a_slice_that_changes_its_service_concerns_both() -> None:
    cluster = Cluster()
    cluster.take_slice(Applied(ours()))
    assert cluster.take_slice(Applied(ours(of="till"))) == {LEDGER, TILL}
    assert not cluster.slices.of(LEDGER)
    assert len(cluster.slices.of(TILL)) == 1


def test_a_slice_that_changes_hands() -> None:
    cluster = Cluster()
    cluster.take_slice(Applied(ours()))
    foreign = msgspec.structs.replace(ours(), metadata=endpoint_slice("s1", "ledger").metadata)
    assert cluster.take_slice(Applied(foreign)) == {LEDGER}
    assert not cluster.slices.of(LEDGER)
    assert cluster.take_slice(Applied(ours())) == {LEDGER}


def test_a_leader_begins_with_every_service() -> None:
    cluster = Cluster()
    for namespace in ("fin", "kube-system"):
        cluster.take_service(Applied(make_service(namespace=namespace)))
    assert cluster.all_concerned() == {LEDGER}
