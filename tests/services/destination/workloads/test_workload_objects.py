"""Which services look again at which event."""

import msgspec

from linkerd.kube.events import Applied, Deleted
from linkerd.kube.objects import EndpointSlice, Key
from linkerd.mesh.labels import SLICE_MANAGED_BY
from services.destination.workloads.names import MANAGER
from services.destination.workloads.objects import Objects
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
    objects = Objects()
    assert objects.take_service(Applied(make_service())) == {LEDGER}
    assert objects.take_service(Deleted(make_service())) == {LEDGER}
    assert objects.service(LEDGER) is None
    system = make_service(namespace="kube-system")
    assert objects.take_service(Applied(system)) == set()


def test_a_workload() -> None:
    objects = Objects()
    objects.take_service(Applied(make_service()))
    objects.take_service(Applied(make_service(namespace="other")))
    objects.take_service(Applied(make_service("till", selector={"app": "till"})))
    assert objects.take_workload(Applied(machine("m1"))) == {LEDGER}
    assert objects.take_workload(Applied(machine("m1"))) == set()
    assert objects.take_workload(Applied(machine("m1", ready=False))) == {LEDGER}
    moved = machine("m1", labels={"app": "till"}, ready=False)
    assert objects.take_workload(Applied(moved)) == {LEDGER, TILL}
    assert objects.take_workload(Deleted(machine("m1", labels={"app": "till"}))) == {TILL}


def test_a_foreign_slice() -> None:
    objects = Objects()
    assert objects.take_slice(Applied(endpoint_slice("s1", "ledger"))) == set()
    assert objects.take_slice(Deleted(endpoint_slice("s1", "ledger"))) == set()
    assert not objects.slices.of(LEDGER)


def test_our_slice() -> None:
    objects = Objects()
    assert objects.take_slice(Applied(ours())) == {LEDGER}
    assert objects.take_slice(Applied(ours())) == {LEDGER}
    assert len(objects.slices.of(LEDGER)) == 1
    assert objects.take_slice(Deleted(ours())) == {LEDGER}
    assert not objects.slices.of(LEDGER)


def test_a_slice_that_changes_its_service_concerns_both() -> None:
    objects = Objects()
    objects.take_slice(Applied(ours()))
    assert objects.take_slice(Applied(ours(of="till"))) == {LEDGER, TILL}
    assert not objects.slices.of(LEDGER)
    assert len(objects.slices.of(TILL)) == 1


def test_a_slice_that_changes_hands() -> None:
    objects = Objects()
    objects.take_slice(Applied(ours()))
    foreign = msgspec.structs.replace(ours(), metadata=endpoint_slice("s1", "ledger").metadata)
    assert objects.take_slice(Applied(foreign)) == {LEDGER}
    assert not objects.slices.of(LEDGER)
    assert objects.take_slice(Applied(ours())) == {LEDGER}


def test_a_leader_begins_with_every_service() -> None:
    objects = Objects()
    for namespace in ("fin", "kube-system"):
        objects.take_service(Applied(make_service(namespace=namespace)))
    assert objects.all_concerned() == {LEDGER}
