"""How endpoints are cut into slices. Ids of the catalogue: T172, T174, T175, T179."""

import msgspec

from linkerd.kube.objects import (
    WorkloadPort,
)
from linkerd.mesh.labels import TOPOLOGY_ZONE
from services.destination.workloads.plan import plan
from tests.support.workloads.plans import (
    after,
    counts,
    holding,
    machines,
    made,
    make_service,
    one,
    sizes,
    to_port,
)

V4, V6 = "192.0.2.7", "2001:db8::7"


class TestPacking:
    def test_t174_new_slices_are_filled_up(self) -> None:
        assert sizes(made(make_service(), machines(250))) == [50, 100, 100]

    def test_t172_a_zone_is_changed_in_place(self) -> None:
        service = make_service()
        slices = made(service, machines(3, labels={TOPOLOGY_ZONE: "z1"}))
        change = plan(service, machines(3, labels={TOPOLOGY_ZONE: "z2"}), slices)
        assert counts(change) == (0, 1, 0)
        (update,) = change.update
        assert update.after.metadata.name == slices[0].metadata.name
        assert {each.zone for each in update.after.endpoints} == {"z2"}

    def test_t175_slices_that_are_written_anyway_are_filled_up(self) -> None:
        """Two of 62 and 61 whose machines look different now, and 127 more machines."""
        service = make_service()
        old = machines(123, ready=False)
        slices = [holding(service, "a", *old[:62]), holding(service, "b", *old[62:])]
        before = msgspec.json.encode(slices)
        change = plan(service, machines(250), slices)
        assert counts(change) == (1, 2, 0)
        assert [len(each.after.endpoints) for each in change.update] == [100, 100]
        assert sizes(after(change, slices)) == [50, 100, 100]
        assert msgspec.json.encode(slices) == before

    def test_t175_unchanged_slices_are_left_alone_where_that_saves_writes(self) -> None:
        """The same two, of machines that have not changed: 100 are new, 27 go to the fuller."""
        service = make_service()
        every = machines(250)
        slices = [holding(service, "a", *every[:61]), holding(service, "b", *every[61:123])]
        change = plan(service, every, slices)
        assert counts(change) == (1, 1, 0)
        assert [each.after.metadata.name for each in change.update] == ["b"]
        assert sizes(after(change, slices)) == [61, 89, 100]

    def test_one_more_machine_goes_where_it_fills_up_most(self) -> None:
        service = make_service()
        every = machines(231)
        slices = [
            holding(service, name, *some)
            for name, some in (("a", every[:60]), ("b", every[60:130]), ("c", every[130:230]))
        ]
        change = plan(service, every, slices)
        assert [each.after.metadata.name for each in change.update] == ["b"]
        assert counts(change) == (0, 1, 0)

    def test_of_slices_that_are_written_anyway_the_fullest_is_filled_first(self) -> None:
        service = make_service()
        old = machines(150, ready=False)
        slices = [holding(service, "a", *old[:60]), holding(service, "b", *old[60:])]
        change = plan(service, machines(160), slices)
        held = {each.after.metadata.name: len(each.after.endpoints) for each in change.update}
        assert held == {"a": 60, "b": 100}

    def test_t179_ten_slices_become_three(self) -> None:
        """Ten of 30 whose ports are no longer the service's."""
        service = make_service(ports=to_port(8081))
        workloads = machines(300, ports=[WorkloadPort(8081), WorkloadPort(8080)])
        before = make_service()
        slices = [holding(before, f"s{n}", *workloads[30 * n : 30 * n + 30]) for n in range(10)]
        change = plan(service, workloads, slices)
        assert counts(change) == (0, 3, 7)
        assert sizes(after(change, slices)) == [100, 100, 100]

    def test_an_empty_slice_goes(self) -> None:
        service = make_service()
        slices = made(service, machines(150))
        change = plan(service, machines(100), slices)
        assert counts(change) == (0, 0, 1)
        assert sizes(after(change, slices)) == [100]

    def test_a_slice_with_too_many_is_cut(self) -> None:
        service = make_service()
        full = one(service, *machines(100))
        extra = msgspec.structs.replace(one(service, *machines(130)[100:]), ports=full.ports)
        over = msgspec.structs.replace(full, endpoints=full.endpoints + extra.endpoints)
        change = plan(service, machines(130), [over])
        assert sizes(after(change, [over])) == [30, 100]

    def test_a_double_is_removed(self) -> None:
        service = make_service()
        slices = [holding(service, "a", *machines(2)), holding(service, "b", *machines(2))]
        change = plan(service, machines(2), slices)
        assert [each.metadata.name for each in change.delete] == ["b"]
