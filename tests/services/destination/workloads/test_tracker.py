"""Which of our writes the cache has shown."""

import msgspec

from linkerd.kube.events import Applied, Deleted
from linkerd.kube.objects import EndpointSlice, Key
from linkerd.mesh.labels import SLICE_MANAGED_BY
from services.destination.workloads.cluster import Cluster
from services.destination.workloads.names import MANAGER
from services.destination.workloads.tracker import PATIENCE, Tracker
from tests.support.objects import endpoint_slice
from tests.support.workloads.plans import machine, make_service

LEDGER, TILL = Key("fin", "ledger"), Key("fin", "till")
OURS = {SLICE_MANAGED_BY: MANAGER}


def ours(name: str = "s1", of: str = "ledger") -> EndpointSlice:
    """A slice of ours, of a version of its own."""
    return endpoint_slice(name, of, labels=OURS)


def version(now: EndpointSlice) -> str:
    return now.metadata.resource_version


class TestTracker:
    def test_an_update_is_stale_until_it_is_seen(self) -> None:
        tracker, old, new = Tracker(), ours(), ours()
        tracker.wrote(LEDGER, "s1", version(new), old, old, 0.0)
        assert tracker.is_stale(LEDGER, 1.0)
        assert not tracker.is_stale(TILL, 1.0)
        assert tracker.saw(LEDGER, "s1", version(new))
        assert not tracker.is_stale(LEDGER, 1.0)
        assert not tracker.saw(LEDGER, "s1", version(new))

    def test_somebody_elses_write_is_unexpected_and_shows_ours_too(self) -> None:
        tracker, old, new = Tracker(), ours(), ours()
        tracker.wrote(LEDGER, "s1", version(new), old, old, 0.0)
        assert not tracker.saw(LEDGER, "s1", version(ours()))
        assert not tracker.is_stale(LEDGER, 1.0)

    def test_creations_and_deletions(self) -> None:
        tracker, new = Tracker(), ours()
        tracker.wrote(LEDGER, "s1", version(new), None, None, 0.0)
        assert tracker.is_stale(LEDGER, 1.0)
        assert tracker.saw(LEDGER, "s1", version(new))
        tracker.wrote(LEDGER, "s1", None, new, new, 0.0)
        assert tracker.is_stale(LEDGER, 1.0)
        assert tracker.saw(LEDGER, "s1", None)
        assert not tracker.is_stale(LEDGER, 1.0)

    def test_what_the_cache_showed_before_the_answer_came_is_not_awaited(self) -> None:
        tracker, old, new = Tracker(), ours(), ours()
        tracker.wrote(LEDGER, "s1", version(new), old, new, 0.0)
        tracker.wrote(LEDGER, "s2", version(new), None, new, 0.0)
        tracker.wrote(LEDGER, "s3", None, old, None, 0.0)
        assert not tracker.is_stale(LEDGER, 1.0)

    def test_a_write_that_never_shows_is_not_awaited_for_ever(self) -> None:
        tracker = Tracker()
        tracker.wrote(LEDGER, "s1", "9", None, None, 0.0)
        assert tracker.is_stale(LEDGER, PATIENCE)
        assert not tracker.is_stale(LEDGER, PATIENCE + 1)

    def test_it_forgets(self) -> None:
        tracker = Tracker()
        for forget in (tracker.clear, lambda: tracker.forget(LEDGER)):
            tracker.wrote(LEDGER, "s1", "9", None, None, 0.0)
            forget()
            assert not tracker.is_stale(LEDGER, 1.0)


class TestEvents:
    """Which services look again."""

    def test_a_service(self) -> None:
        cluster = Cluster(Tracker())
        assert cluster.take_service(Applied(make_service())) == {LEDGER}
        assert cluster.take_service(Deleted(make_service())) == {LEDGER}
        assert cluster.service(LEDGER) is None
        system = make_service(namespace="kube-system")
        assert cluster.take_service(Applied(system)) == set()

    def test_a_workload(self) -> None:
        cluster = Cluster(Tracker())
        cluster.take_service(Applied(make_service()))
        cluster.take_service(Applied(make_service(namespace="other")))
        cluster.take_service(Applied(make_service("till", selector={"app": "till"})))
        assert cluster.take_workload(Applied(machine("m1"))) == {LEDGER}
        assert cluster.take_workload(Applied(machine("m1"))) == set()
        assert cluster.take_workload(Applied(machine("m1", ready=False))) == {LEDGER}
        moved = machine("m1", labels={"app": "till"}, ready=False)
        assert cluster.take_workload(Applied(moved)) == {LEDGER, TILL}
        assert cluster.take_workload(Deleted(machine("m1", labels={"app": "till"}))) == {TILL}

    def test_a_foreign_slice(self) -> None:
        cluster = Cluster(Tracker())
        assert cluster.take_slice(Applied(endpoint_slice("s1", "ledger"))) == set()
        assert cluster.take_slice(Deleted(endpoint_slice("s1", "ledger"))) == set()
        assert not cluster.slices.of(LEDGER)

    def test_our_slice(self) -> None:
        cluster = Cluster(Tracker())
        assert cluster.take_slice(Applied(ours())) == {LEDGER}
        assert cluster.take_slice(Applied(ours())) == {LEDGER}
        assert len(cluster.slices.of(LEDGER)) == 1
        assert cluster.take_slice(Deleted(ours())) == {LEDGER}
        assert not cluster.slices.of(LEDGER)

    def test_what_we_wrote_concerns_nobody(self) -> None:
        tracker, old, new = Tracker(), ours(), ours()
        cluster = Cluster(tracker)
        cluster.take_slice(Applied(old))
        tracker.wrote(LEDGER, "s1", version(new), old, old, 0.0)
        assert cluster.take_slice(Applied(new)) == set()
        tracker.wrote(LEDGER, "s1", None, new, new, 0.0)
        assert cluster.take_slice(Deleted(new)) == set()

    def test_a_slice_that_changes_its_service_concerns_both(self) -> None:
        cluster = Cluster(Tracker())
        cluster.take_slice(Applied(ours()))
        assert cluster.take_slice(Applied(ours(of="till"))) == {LEDGER, TILL}
        assert not cluster.slices.of(LEDGER)
        assert len(cluster.slices.of(TILL)) == 1

    def test_a_slice_that_changes_hands(self) -> None:
        cluster = Cluster(Tracker())
        cluster.take_slice(Applied(ours()))
        foreign = msgspec.structs.replace(ours(), metadata=endpoint_slice("s1", "ledger").metadata)
        assert cluster.take_slice(Applied(foreign)) == {LEDGER}
        assert not cluster.slices.of(LEDGER)
        assert cluster.take_slice(Applied(ours())) == {LEDGER}

    def test_a_leader_begins_with_every_service(self) -> None:
        cluster = Cluster(Tracker())
        for namespace in ("fin", "kube-system"):
            cluster.take_service(Applied(make_service(namespace=namespace)))
        assert cluster.all_concerned() == {LEDGER}
