"""The whole controller against a real API server: Services and ExternalWorkloads in, slices out.
Ids of the catalogue: T174."""

import asyncio

import pytest

from linkerd.kube.client import KubeClient
from linkerd.mesh.labels import SLICE_MANAGED_BY
from services.destination.workloads.names import LEASE, MANAGER
from tests.support.eventually import eventually
from tests.support.workloads.program import (
    Replica,
    World,
    replica,
)

pytestmark = pytest.mark.integration


class TestSlices:
    async def test_a_service_and_a_machine_make_a_slice(
        self, world: World, leader: Replica
    ) -> None:
        world.service()
        world.machine("m1", "192.0.2.7")
        world.ready("m1")
        await world.until(
            lambda: [e["conditions"]["ready"] for e in world.endpoints()] == [True], "a slice"
        )
        (made,) = world.slices()
        service = world.api.request("GET", world.path("services", "ledger"))
        workload = world.api.request("GET", world.path("externalworkloads", "m1"))
        metadata = made["metadata"]
        assert metadata["name"].startswith("linkerd-external-ledger-")
        assert metadata["labels"] == {
            "kubernetes.io/service-name": "ledger",
            SLICE_MANAGED_BY: MANAGER,
            "team": "fin",
        }
        (owner,) = metadata["ownerReferences"]
        assert owner == {
            "apiVersion": "v1",
            "kind": "Service",
            "name": "ledger",
            "uid": service["metadata"]["uid"],
            "controller": True,
        }
        assert made["addressType"] == "IPv4"
        assert made["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
        assert made["endpoints"] == [
            {
                "addresses": ["192.0.2.7"],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "targetRef": {
                    "kind": "ExternalWorkload",
                    "name": "m1",
                    "namespace": world.namespace,
                    "uid": workload["metadata"]["uid"],
                },
            }
        ]

    async def test_changes_of_a_machine(self, world: World, leader: Replica) -> None:
        world.service()
        world.machine("m1", "192.0.2.7")
        world.machine("m2", "192.0.2.8")
        await world.until(lambda: world.addresses() == ["192.0.2.7", "192.0.2.8"], "both")
        (before,) = world.slices()
        assert [each["conditions"]["ready"] for each in before["endpoints"]] == [False, False]

        world.ready("m1")
        await world.until(lambda: world.endpoints()[0]["conditions"]["ready"], "readiness")
        world.patch("externalworkloads", "m1", {"spec": {"workloadIPs": [{"ip": "192.0.2.9"}]}})
        await world.until(lambda: world.addresses() == ["192.0.2.8", "192.0.2.9"], "the new IP")
        zone = {"metadata": {"labels": {"topology.kubernetes.io/zone": "z1"}}}
        world.patch("externalworkloads", "m1", zone)
        await world.until(lambda: world.endpoints()[0].get("zone") == "z1", "the zone")
        world.patch("externalworkloads", "m2", {"metadata": {"labels": {"app": "till"}}})
        await world.until(lambda: world.addresses() == ["192.0.2.9"], "m2 to leave")
        (after,) = world.slices()
        assert after["metadata"]["name"] == before["metadata"]["name"]
        world.delete("externalworkloads", "m1")
        await world.until(lambda: not world.slices(), "the slice to go")
        await eventually(lambda: leader.writes("delete") == 1, "the count")
        assert leader.writes("create") == 1

    async def test_changes_of_the_service(self, world: World, leader: Replica) -> None:
        world.service()
        both = [{"port": 8080}, {"port": 8081}]
        world.machine("m1", "192.0.2.7", ports=both)
        await world.until(world.slices, "a slice")
        (before,) = world.slices()
        world.patch("services", "ledger", {"metadata": {"labels": {"team": "ops"}}})
        await world.until(
            lambda: world.slices()[0]["metadata"]["labels"]["team"] == "ops", "the label"
        )
        ports = [{"name": "http", "port": 80, "targetPort": 8081}]
        world.patch("services", "ledger", {"spec": {"ports": ports}})
        await world.until(lambda: world.slices()[0]["ports"][0]["port"] == 8081, "the port")
        (after,) = world.slices()
        assert after["metadata"]["name"] == before["metadata"]["name"]
        assert leader.writes("create") == 1

    async def test_t174_hundreds_of_machines(self, world: World, leader: Replica) -> None:
        """All there when the service comes."""
        await asyncio.to_thread(world.crowd, 250)
        world.service()
        expected = sorted(f"10.7.0.{number + 1}" for number in range(250))
        await world.until(lambda: world.addresses() == expected, "all of them")
        assert sorted(len(each["endpoints"]) for each in world.slices()) == [50, 100, 100]
        await eventually(lambda: leader.writes("create") == 3, "the count")

    async def test_machines_that_come_while_slices_are_written(
        self, world: World, leader: Replica
    ) -> None:
        world.service()
        await asyncio.to_thread(world.crowd, 120)
        expected = [f"10.7.0.{number + 1}" for number in range(120)]
        await world.until(lambda: world.addresses() == sorted(expected), "each once")
        assert all(len(each["endpoints"]) <= 100 for each in world.slices())

    async def test_a_dual_stack_headless_service(self, world: World, leader: Replica) -> None:
        world.service(clusterIP="None", ports=[])
        ips = [{"ip": "192.0.2.7"}, {"ip": "2001:db8::7"}]
        world.machine("m1", "-", workloadIPs=ips)
        await world.until(world.slices, "slices")
        (service,) = world.api.request("GET", world.path("services"))["items"]
        families = service["spec"]["ipFamilies"]
        await world.until(lambda: len(world.slices()) == len(families), "a slice a family")
        for each in world.slices():
            assert each["metadata"]["labels"]["service.kubernetes.io/headless"] == ""
            assert [endpoint["hostname"] for endpoint in each["endpoints"]] == ["m1"]


class TestOthers:
    async def test_a_foreign_edit_is_mended(self, world: World, leader: Replica) -> None:
        world.service()
        world.machine("m1", "192.0.2.7")
        await world.until(world.slices, "a slice")
        name = world.slices()[0]["metadata"]["name"]
        edit = {
            "metadata": {"annotations": {"note": "mine"}},
            "endpoints": [{"addresses": ["192.0.2.66"]}],
        }
        world.patch("endpointslices", name, edit)
        await world.until(lambda: world.addresses() == ["192.0.2.7"], "the address")
        assert world.slices()[0]["metadata"]["annotations"] == {"note": "mine"}
        world.patch("endpointslices", name, {"metadata": {"labels": {"team": "evil"}}})
        await world.until(
            lambda: world.slices()[0]["metadata"]["labels"]["team"] == "fin", "the label"
        )
        world.delete("endpointslices", name)
        await world.until(lambda: world.addresses() == ["192.0.2.7"], "another slice")

    async def test_a_slice_that_is_taken_from_us_is_replaced(
        self, world: World, leader: Replica
    ) -> None:
        world.service()
        world.machine("m1", "192.0.2.7")
        await world.until(world.slices, "a slice")
        (old,) = world.slices()
        theirs = {"metadata": {"labels": {SLICE_MANAGED_BY: "somebody"}}}
        world.patch("endpointslices", old["metadata"]["name"], theirs)
        await world.until(world.slices, "another slice")
        assert world.slices()[0]["metadata"]["name"] != old["metadata"]["name"]

    async def test_odd_machines_and_services_stop_nobody(
        self, world: World, leader: Replica
    ) -> None:
        world.machine("loop", "127.0.0.1")
        world.machine("banana", "banana")
        world.machine("rack.7", "192.0.2.9")
        world.service("odd", clusterIP="None", ports=[])
        world.service()
        world.machine("m1", "192.0.2.7")
        expected = ["192.0.2.7"] * 2 + ["192.0.2.9"] * 2
        await world.until(lambda: world.addresses() == expected, "the good ones")
        complaints = leader.registry.get_sample_value("workload_slices_complaints_total")
        assert complaints == 3

    async def test_a_namespace_that_is_being_deleted(
        self, client: KubeClient, world: World
    ) -> None:
        """Nothing can be created in it any more: no failure, no retry."""
        world.service()
        world.machine("m1", "192.0.2.7")
        lease = {"holderIdentity": "a", "leaseDurationSeconds": 4}
        world.api.request(
            "POST", world.path("leases"), {"metadata": {"name": LEASE}, "spec": lease}
        )
        world.api.request("DELETE", f"/api/v1/namespaces/{world.namespace}")
        async with replica(client, world.namespace, "a") as running:
            await eventually(lambda: running.queue_value("work_duration_seconds_count"), "the work")
            assert running.queue_value("retries_total") == 0
            assert running.registry.get_sample_value("workload_slices_failures_total") == 0
        assert world.slices() == []
