"""Slices that a service should have. Ids of the catalogue: T157 to T165, T169 to T171, T173,
T176 to T178."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from linkerd.kube.objects import (
    EndpointPort,
    ExternalWorkload,
    OwnerReference,
    Service,
    ServicePort,
    WorkloadPort,
)
from linkerd.mesh.labels import HEADLESS_SERVICE, SERVICE_NAME, SLICE_MANAGED_BY, TOPOLOGY_ZONE
from services.destination.workloads.names import MANAGER
from services.destination.workloads.plan import plan
from tests.support.workloads.plans import (
    after,
    counts,
    machine,
    machines,
    made,
    make_service,
    names,
    one,
    sizes,
    to_port,
)

V4, V6 = "192.0.2.7", "2001:db8::7"


class TestNoSlices:
    def test_t157_a_service_without_selector(self) -> None:
        assert not plan(make_service(selector=None), machines(3), [])

    @pytest.mark.parametrize("selector", [{"app": "ledger"}, None])
    def test_t158_external_names(self, selector: dict[str, str] | None) -> None:
        service = make_service(selector=selector, type="ExternalName")
        assert not plan(service, machines(3), [])

    def test_t159_a_service_that_is_being_deleted(self) -> None:
        assert not plan(make_service(deleting=True), machines(3), [])

    def test_nobody_matches(self) -> None:
        assert not plan(make_service(), [machine("m1", labels={"app": "other"})], [])
        assert not plan(make_service(selector={}), machines(3), [])


class TestChoice:
    def test_t160_only_machines_of_the_namespace_that_match(self) -> None:
        workloads = [
            machine("here"),
            machine("elsewhere", namespace="other"),
            machine("unlabelled", labels={"app": "till"}),
        ]
        assert names(one(make_service(), *workloads)) == ["here"]

    def test_t161_a_slice_that_is_being_deleted_counts_as_gone(self) -> None:
        service = make_service()
        old = one(service, machine("m1"))
        metadata = msgspec.structs.replace(old.metadata, deletion_timestamp="2030-01-01T00:00:00Z")
        going = msgspec.structs.replace(old, metadata=metadata)
        assert counts(plan(service, [machine("m1")], [going])) == (1, 0, 0)

    def test_t165_two_machines_with_one_ip_are_two_endpoints(self) -> None:
        now = one(make_service(), machine("m1", V4), machine("m2", V4))
        assert [each.addresses for each in now.endpoints] == [(V4,), (V4,)]
        assert names(now) == ["m1", "m2"]


class TestEndpoints:
    def test_all_of_one(self) -> None:
        workload = machine("m1", V4, labels={TOPOLOGY_ZONE: "z1"})
        (found,) = one(make_service(), workload).endpoints
        assert found.addresses == (V4,)
        assert (found.conditions.ready, found.conditions.serving) == (True, True)
        assert found.conditions.terminating is False
        assert (found.zone, found.hostname, found.node_name) == ("z1", None, None)
        assert found.target_ref is not None
        assert found.target_ref.kind == "ExternalWorkload"
        assert (found.target_ref.namespace, found.target_ref.name) == ("fin", "m1")
        assert found.target_ref.uid == workload.metadata.uid

    @pytest.mark.parametrize("ready", [False, None])
    def test_t164_a_machine_that_is_not_ready_is_listed_so(self, ready: bool | None) -> None:
        """Also where the service publishes such addresses."""
        service = make_service()
        spec = msgspec.structs.replace(service.spec, publish_not_ready_addresses=True)
        for each in (service, msgspec.structs.replace(service, spec=spec)):
            (found,) = one(each, machine("m1", ready=ready)).endpoints
            assert (found.conditions.ready, found.conditions.serving) == (False, False)

    def test_t170_headless_services_name_their_endpoints(self) -> None:
        now = one(make_service(headless=True), machine("m1"))
        assert [each.hostname for each in now.endpoints] == ["m1"]
        assert now.metadata.labels[HEADLESS_SERVICE] == ""
        assert HEADLESS_SERVICE not in one(make_service(), machine("m1")).metadata.labels

    def test_both_addresses_of_one_family(self) -> None:
        (found,) = one(make_service(), machine("m1", V4, "192.0.2.8", V4)).endpoints
        assert found.addresses == (V4, "192.0.2.8")


class TestFamilies:
    def test_t162_only_the_services_family(self) -> None:
        now = one(make_service(families=("IPv4",)), machine("m1", V4, V6))
        assert (now.address_type, now.endpoints[0].addresses) == ("IPv4", (V4,))

    def test_t163_machines_without_an_address_of_the_family_are_left_out(self) -> None:
        now = one(make_service(families=("IPv6",)), machine("m1", V4, V6), machine("m2", V4))
        assert (now.address_type, names(now)) == ("IPv6", ["m1"])

    @pytest.mark.parametrize("families", [("IPv4",), ("IPv6",), ("IPv4", "IPv6"), ("IPv6", "IPv4")])
    def test_t169_one_slice_of_each_family(self, families: tuple[str, ...]) -> None:
        service = make_service(families=families, labels={"team": "fin"})
        slices = made(service, [machine("m1", V4, V6)])
        assert [each.address_type for each in slices] == list(families)
        for each in slices:
            assert each.metadata.labels == {
                SERVICE_NAME: "ledger",
                SLICE_MANAGED_BY: MANAGER,
                "team": "fin",
            }

    def test_none_is_both(self) -> None:
        slices = made(make_service(families=()), [machine("m1", V4, V6)])
        assert sorted(each.address_type for each in slices) == ["IPv4", "IPv6"]

    def test_slices_of_a_family_that_is_given_up_are_deleted(self) -> None:
        both = make_service(families=("IPv4", "IPv6"))
        slices = made(both, [machine("m1", V4, V6)])
        spec = msgspec.structs.replace(both.spec, ip_families=("IPv4",))
        single = msgspec.structs.replace(both, spec=spec)
        less = plan(single, [machine("m1", V4, V6)], slices)
        assert [each.address_type for each in less.delete] == ["IPv6"]
        assert counts(less) == (0, 0, 1)

    def test_t171_a_changed_machine_updates_both(self) -> None:
        service = make_service(families=("IPv4", "IPv6"))
        slices = made(service, [machine("m1", V4, V6)])
        change = plan(service, [machine("m1", "192.0.2.8", "2001:db8::8")], slices)
        assert counts(change) == (0, 2, 0)
        addresses = [each.after.endpoints[0].addresses for each in change.update]
        assert addresses == [("192.0.2.8",), ("2001:db8::8",)]


class TestPorts:
    def test_t173_named_targets_group_machines_by_their_numbers(self) -> None:
        service = make_service(ports=to_port("web"))
        workloads = [
            machine(
                f"m{n}", f"10.7.{n // 100}.{n % 100}", ports=[WorkloadPort(9000 + n % 5, "web")]
            )
            for n in range(300)
        ]
        slices = made(service, workloads)
        assert sizes(slices) == [60] * 5
        assert {each.ports for each in slices} == {
            (EndpointPort("http", 9000 + n),) for n in range(5)
        }

    @pytest.mark.parametrize(
        ("declared", "target", "found"),
        [
            (WorkloadPort(8080), 8080, 8080),
            (WorkloadPort(8080), None, None),
            (WorkloadPort(80), None, 80),
            (WorkloadPort(8080, "web"), "web", 8080),
            (WorkloadPort(8080, "web"), "http", None),
            (WorkloadPort(8080, protocol="UDP"), 8080, None),
            (WorkloadPort(8080, "web", protocol="UDP"), "web", None),
            (WorkloadPort(8081), 8080, None),
        ],
    )
    def test_a_port_must_be_declared(
        self, declared: WorkloadPort, target: Any, found: int | None
    ) -> None:
        said: list[tuple[str, str]] = []
        workload = machine("m1", ports=[declared])
        service = make_service(ports=to_port(target))
        made_ = plan(service, [workload], [], lambda _, *more: said.append(more))
        ports = () if found is None else (EndpointPort("http", found),)
        assert [each.ports for each in made_.create] == [ports]
        assert bool(said) == (found is None)

    def test_names_and_protocols_are_the_services(self) -> None:
        service = make_service(
            ports=[ServicePort(53, "dns", "UDP", target_port=5353), ServicePort(80)]
        )
        workload = machine("m1", ports=[WorkloadPort(5353, "x", "UDP"), WorkloadPort(80, "y")])
        assert one(service, workload).ports == (
            EndpointPort("dns", 5353, "UDP"),
            EndpointPort("", 80, "TCP"),
        )

    def test_a_headless_service_without_ports(self) -> None:
        now = one(make_service(headless=True, ports=()), machine("m1"))
        assert now.ports == ()
        assert names(now) == ["m1"]

    def test_t176_another_target_port_updates_every_slice(self) -> None:
        service = make_service()
        workloads = machines(250, ports=[WorkloadPort(8080), WorkloadPort(8081)])
        slices = made(service, workloads)
        spec = msgspec.structs.replace(service.spec, ports=to_port(8081))
        change = plan(msgspec.structs.replace(service, spec=spec), workloads, slices)
        assert counts(change) == (0, 3, 0)
        assert {each.after.ports for each in change.update} == {(EndpointPort("http", 8081),)}
        assert sizes(after(change, slices)) == [50, 100, 100]

    def test_the_order_of_ports_means_nothing(self) -> None:
        ports = (ServicePort(80, "a"), ServicePort(81, "b"))
        declared = [WorkloadPort(80), WorkloadPort(81)]
        slices = made(make_service(ports=ports), [machine("m1", ports=declared)])
        again = make_service(ports=ports[::-1])
        assert not plan(again, [machine("m1", ports=declared)], slices)


class TestOwnership:
    def test_it_is_the_services(self) -> None:
        service = make_service()
        now = one(service, machine("m1"))
        assert now.metadata.owner_references == (
            OwnerReference("Service", "ledger", "v1", service.metadata.uid, controller=True),
        )

    @pytest.mark.parametrize("families", [("IPv4",), ("IPv6",)])
    def test_slices_of_the_services_predecessor_are_replaced(
        self, families: tuple[str, ...]
    ) -> None:
        service = make_service(families=families)
        workload = machine("m1", V4, V6)
        metadata = msgspec.structs.replace(service.metadata, uid="another")
        slices = made(msgspec.structs.replace(service, metadata=metadata), [workload])
        change = plan(service, [workload], slices)
        assert counts(change) == (1, 0, 1)
        assert change.delete == tuple(slices)


class TestLabels:
    def test_t177_the_services_are_copied(self) -> None:
        slices = made(make_service(labels={"team": "fin"}), machines(150))
        change = plan(make_service(labels={"team": "ops", "tier": "1"}), machines(150), slices)
        assert counts(change) == (0, 2, 0)
        for update in change.update:
            labels = update.after.metadata.labels
            assert (labels["team"], labels["tier"]) == ("ops", "1")
            assert update.after.endpoints == update.before.endpoints

    def test_t178_reserved_ones_are_not_the_services_to_set(self) -> None:
        forged = {
            SERVICE_NAME: "till",
            SLICE_MANAGED_BY: "me",
            HEADLESS_SERVICE: "yes",
            "team": "fin",
        }
        labels = one(make_service(labels=forged), machine("m1")).metadata.labels
        assert labels == {SERVICE_NAME: "ledger", SLICE_MANAGED_BY: MANAGER, "team": "fin"}
        slices = made(make_service(labels=forged), [machine("m1")])
        assert not plan(make_service(labels=forged), [machine("m1")], slices)

    def test_one_that_is_removed_is_no_reason_to_write_but_goes_with_the_next(self) -> None:
        slices = made(make_service(labels={"team": "fin"}), [machine("m1")])
        assert not plan(make_service(), [machine("m1")], slices)
        (update,) = plan(make_service(), [machine("m1", ready=False)], slices).update
        assert "team" not in update.after.metadata.labels

    def test_headless_is_taken_off(self) -> None:
        slices = made(make_service(headless=True), [machine("m1")])
        spec = make_service().spec
        service = msgspec.structs.replace(make_service(headless=True), spec=spec)
        (update,) = plan(service, [machine("m1")], slices).update
        assert HEADLESS_SERVICE not in update.after.metadata.labels


class TestOddWorkloads:
    """The API server refuses a slice whole: one odd machine must not take the others with it."""

    def said_of(self, make: Callable[[], Service], workload: ExternalWorkload) -> list[str]:
        said: list[str] = []
        slices = after(
            plan(make(), [machine("good"), workload], [], lambda *more: said.append(more[2]))
        )
        assert "good" in names(slices[0])
        return said

    @pytest.mark.parametrize(
        "ip",
        ["banana", "", "0.0.0.0", "127.0.0.1", "169.254.1.1", "224.0.0.5", "010.0.0.1", "fe80::1",
         "fe80::1%eth0", "::", "::1", "ff02::5", "10.0.0.1/8"],
    )  # fmt: skip
    def test_an_address_that_no_slice_may_have(self, ip: str) -> None:
        workload = machine("odd", ip)
        assert self.said_of(make_service, workload) == [
            f"{ip!r} is no address that others can reach"
        ]

    def test_addresses_are_written_the_usual_way(self) -> None:
        workload = machine("m1", "2001:DB8:0::1", "::ffff:192.0.2.7")
        slices = made(make_service(families=()), [workload])
        found = {each.address_type: each.endpoints[0].addresses for each in slices}
        assert found == {"IPv4": (V4,), "IPv6": ("2001:db8::1",)}

    def test_a_name_that_is_no_hostname(self) -> None:
        headless = make_service(headless=True)
        assert len(self.said_of(lambda: headless, machine("rack.7", V4))) == 1
        now = one(headless, machine("rack.7", V4))
        assert now.endpoints[0].hostname is None

    def test_no_addresses(self) -> None:
        workload = machine("m1")
        spec = msgspec.structs.replace(workload.spec, workload_ips=())
        assert not plan(make_service(), [msgspec.structs.replace(workload, spec=spec)], [])
