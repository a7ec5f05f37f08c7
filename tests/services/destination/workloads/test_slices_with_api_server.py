"""The whole controller against a real API server: Services and ExternalWorkloads in, slices out.
Ids of the catalogue: T168, T174."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

import services.destination
from linkerd.kube.client import KubeClient
from linkerd.kube.events import Applied
from linkerd.kube.leases import LeaseTimes
from linkerd.kube.objects import EndpointSlice, ExternalWorkload, Service
from linkerd.kube.reflector import Reflector
from linkerd.kube.resource import ENDPOINT_SLICES, EXTERNAL_WORKLOADS, SERVICES
from linkerd.local.api import AdminApi
from linkerd.local.cluster import LocalCluster
from linkerd.runtime.clock import SystemClock
from linkerd.testing.cut import CutProxy, api_server_of, kubeconfig_through
from linkerd.testing.eventually import eventually
from services.destination.workloads import WorkloadSlices
from services.destination.workloads.controller import Controller
from services.destination.workloads.names import LEASE, MANAGED_BY, MANAGER

pytestmark = pytest.mark.integration

DEFINITION = (
    Path(services.destination.__file__).parents[2] / "deploy/base/crds/externalworkloads.yaml"
)
QUICK = LeaseTimes(duration=4.0, renew_deadline=1.5, retry=0.2)
"""Of elections here; whole seconds of duration, as a Lease has."""

Document = dict[str, Any]


@dataclass
class Replica:
    """A controller with reflectors of one namespace."""

    slices: WorkloadSlices
    registry: CollectorRegistry
    tasks: list["asyncio.Task[Any]"] = field(default_factory=list)

    @property
    def leading(self) -> bool:
        return self.slices.election.leading

    def writes(self, operation: str) -> float:
        name, labels = "workload_slices_writes_total", {"operation": operation}
        return self.registry.get_sample_value(name, labels) or 0.0

    def queue_value(self, name: str) -> float:
        labels = {"name": "endpoints_controller_workqueue"}
        return self.registry.get_sample_value(f"workqueue_{name}", labels) or 0.0

    async def stop(self) -> None:
        await self.slices.stop()


@asynccontextmanager
async def replica(client: KubeClient, namespace: str, identity: str) -> AsyncIterator[Replica]:
    registry = CollectorRegistry()
    made = WorkloadSlices(client, namespace, identity, SystemClock(), registry, times=QUICK)
    running = Replica(made, registry)
    reflectors: list[Reflector[Any]] = [
        Reflector(client, SERVICES, made.controller.take_services, namespace=namespace),
        Reflector(client, EXTERNAL_WORKLOADS, made.controller.take_workloads, namespace=namespace),
        Reflector(client, ENDPOINT_SLICES, made.controller.take_slices, namespace=namespace),
    ]
    running.tasks = [asyncio.create_task(each.run()) for each in reflectors]
    await asyncio.gather(*(each.wait_synced() for each in reflectors))
    running.tasks.append(asyncio.create_task(made.run()))
    try:
        yield running
    finally:
        for task in running.tasks:
            task.cancel()
        await asyncio.wait(running.tasks)


@dataclass
class World:
    """A namespace, as people and controllers write it."""

    api: AdminApi
    namespace: str

    def path(self, plural: str, name: str = "") -> str:
        group = {
            "services": "/api/v1",
            "externalworkloads": "/apis/workload.linkerd.io/v1beta1",
            "endpointslices": "/apis/discovery.k8s.io/v1",
            "leases": "/apis/coordination.k8s.io/v1",
        }[plural]
        return f"{group}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    def service(self, name: str = "ledger", **spec: Any) -> None:
        ports = [{"name": "http", "port": 80, "targetPort": 8080}]
        body = {
            "metadata": {"name": name, "labels": {"team": "fin"}},
            "spec": {"selector": {"app": "ledger"}, "ports": ports, **spec},
        }
        self.api.request("POST", self.path("services"), body)

    def machine(self, name: str, ip: str, **more: Any) -> None:
        spec = {
            "meshTLS": {"identity": "metal", "serverName": "metal"},
            "workloadIPs": [{"ip": ip}],
            "ports": [{"name": "web", "port": 8080}],
            **more,
        }
        body = {
            "apiVersion": "workload.linkerd.io/v1beta1",
            "kind": "ExternalWorkload",
            "metadata": {"name": name, "labels": {"app": "ledger"}},
            "spec": spec,
        }
        self.api.request("POST", self.path("externalworkloads"), body)

    def crowd(self, number: int) -> None:
        """As many machines as that, m000 at 10.7.0.1 and so on. Takes a while."""
        for each in range(number):
            self.machine(f"m{each:03}", f"10.7.0.{each + 1}")

    def ready(self, name: str, status: str = "True") -> None:
        body = {"status": {"conditions": [{"type": "Ready", "status": status}]}}
        self.patch("externalworkloads", f"{name}/status", body)

    def patch(self, plural: str, name: str, body: Document) -> None:
        self.api.request("PATCH", self.path(plural, name), body, kind="merge-patch+json")

    def delete(self, plural: str, name: str) -> None:
        self.api.request("DELETE", self.path(plural, name))

    def slices(self) -> list[Document]:
        found: list[Document] = self.api.request("GET", self.path("endpointslices"))["items"]
        return [each for each in found if each["metadata"]["labels"].get(MANAGED_BY) == MANAGER]

    def endpoints(self) -> list[Document]:
        return [endpoint for each in self.slices() for endpoint in each["endpoints"] or []]

    def addresses(self) -> list[str]:
        return sorted(ip for each in self.endpoints() for ip in each["addresses"])

    def lease(self) -> Document:
        found: Document = self.api.request("GET", self.path("leases", LEASE))["spec"]
        return found

    async def until(self, condition: Callable[[], object], what: str) -> None:
        await eventually(condition, what, 20)


@pytest.fixture
def cluster(api_cluster: LocalCluster) -> LocalCluster:
    """One that has the definition of ExternalWorkloads."""
    api_cluster.kubectl("apply", "-f", str(DEFINITION))
    api_cluster.kubectl("wait", "--for=condition=Established", "-f", str(DEFINITION))
    return api_cluster


@pytest.fixture
async def client(cluster: LocalCluster) -> AsyncIterator[KubeClient]:
    """Ends after the namespace: by then the server has ended the watches' connections too."""
    async with await KubeClient.connect(cluster.kubeconfig, user_agent="test") as connected:
        yield connected


@pytest.fixture
async def cut(cluster: LocalCluster) -> AsyncIterator[CutProxy]:
    """What stands between `far` and the API server."""
    async with CutProxy(*api_server_of(cluster.kubeconfig)) as proxy:
        yield proxy


@pytest.fixture
async def far(cluster: LocalCluster, cut: CutProxy, tmp_path: Path) -> AsyncIterator[KubeClient]:
    """A client that can be cut off."""
    kubeconfig = kubeconfig_through(cluster.kubeconfig, cut, tmp_path)
    async with await KubeClient.connect(kubeconfig, user_agent="test") as connected:
        yield connected


@pytest.fixture
def world(client: KubeClient, cluster: LocalCluster, namespace: str) -> Iterator[World]:
    with cluster.api() as api:
        yield World(api, namespace)


@pytest.fixture
async def leader(client: KubeClient, world: World) -> AsyncIterator[Replica]:
    async with replica(client, world.namespace, "a") as running:
        await eventually(lambda: running.leading, "leadership")
        yield running


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
            MANAGED_BY: MANAGER,
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
        theirs = {"metadata": {"labels": {MANAGED_BY: "somebody"}}}
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


class Blind:
    """A controller whose reflector of slices is behind: it shows what `show` says, no more."""

    def __init__(self, client: KubeClient, world: World) -> None:
        self.world = world
        self.registry = CollectorRegistry()
        clock = SystemClock()
        queue = self.registry
        self.controller = Controller(client, clock, self.registry, queue_metrics=queue)

    def take(self, name: str) -> None:
        """An event of a machine that is on the server."""
        found = self.world.api.request("GET", self.world.path("externalworkloads", name))
        self.controller.take_workloads([Applied(msgspec.convert(found, ExternalWorkload))])

    def take_service(self) -> None:
        found = self.world.api.request("GET", self.world.path("services", "ledger"))
        self.controller.take_services([Applied(msgspec.convert(found, Service))])

    def show(self) -> None:
        """The reflector has caught up."""
        slices = msgspec.convert(self.world.slices(), list[EndpointSlice])
        self.controller.take_slices([Applied(each) for each in slices])

    @property
    def created(self) -> float:
        labels = {"operation": "create"}
        return self.registry.get_sample_value("workload_slices_writes_total", labels) or 0.0

    @property
    def retries(self) -> float:
        labels = {"name": "endpoints_controller_workqueue"}
        return self.registry.get_sample_value("workqueue_retries_total", labels) or 0.0

    @asynccontextmanager
    async def leading(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.controller.lead())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait((task,))


class TestOwnWrites:
    async def test_a_plan_waits_until_our_last_write_is_seen(
        self, client: KubeClient, world: World
    ) -> None:
        """Else there would be a second slice, for the machine that is in the first one."""
        blind = Blind(client, world)
        world.service()
        world.machine("m1", "192.0.2.7")
        world.machine("m2", "192.0.2.8")
        blind.take_service()
        async with blind.leading():
            blind.take("m1")
            await eventually(lambda: blind.created == 1, "a slice")
            blind.take("m2")
            await eventually(lambda: blind.retries > 3, "some retries")
            assert world.addresses() == ["192.0.2.7"]
            blind.show()
            await world.until(lambda: len(world.addresses()) == 2, "both")
            assert len(world.slices()) == 1

    async def test_t168_a_new_leadership_awaits_nothing_of_the_last(
        self, client: KubeClient, world: World
    ) -> None:
        blind = Blind(client, world)
        world.service()
        world.machine("m1", "192.0.2.7")
        blind.take_service()
        async with blind.leading():
            blind.take("m1")
            await eventually(lambda: blind.created == 1, "a slice")
        world.delete("endpointslices", world.slices()[0]["metadata"]["name"])
        async with blind.leading():
            await world.until(world.slices, "another slice")
        assert blind.retries == 0


class TestLeadership:
    async def test_t168_lost_and_won_again(self, world: World, leader: Replica) -> None:
        """Slices that are deleted meanwhile are made again."""
        world.service()
        world.machine("m1", "192.0.2.7")
        await world.until(world.slices, "a slice")
        robbed = {"spec": {"holderIdentity": "thief", "leaseDurationSeconds": 3600}}
        world.patch("leases", LEASE, robbed)
        await world.until(lambda: not leader.leading, "the loss")
        for each in world.slices():
            world.delete("endpointslices", each["metadata"]["name"])
        world.machine("m2", "192.0.2.8")
        assert world.slices() == []
        world.patch("leases", LEASE, {"spec": {"holderIdentity": ""}})
        await world.until(lambda: world.addresses() == ["192.0.2.7", "192.0.2.8"], "both again")

    async def test_handed_over_at_an_orderly_end(
        self, client: KubeClient, world: World, leader: Replica
    ) -> None:
        async with replica(client, world.namespace, "b") as other:
            world.service()
            await world.until(lambda: world.lease()["holderIdentity"] == "a", "a's lease")
            assert not other.leading
            for number in range(5):
                world.machine(f"m{number}", f"192.0.2.{number + 1}")
            await leader.stop()
            await eventually(lambda: other.leading, "the handover", 2)
            await world.until(lambda: len(world.addresses()) == 5, "all machines")
            assert world.lease()["leaseTransitions"] == 1
            world.machine("m9", "192.0.2.9")
            await world.until(lambda: len(world.addresses()) == 6, "the new leader's work")

    async def test_taken_over_from_a_leader_that_is_cut_off(
        self, client: KubeClient, far: KubeClient, cut: CutProxy, world: World
    ) -> None:
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(replica(far, world.namespace, "a"))
            await eventually(lambda: first.leading, "the first to lead")
            second = await stack.enter_async_context(replica(client, world.namespace, "b"))
            await cut.cut()
            world.service()
            world.machine("m1", "192.0.2.7")
            both = False

            def handed_over() -> bool:
                nonlocal both
                both = both or (first.leading and second.leading)
                return second.leading

            await eventually(handed_over, "the second to lead", 20)
            assert not both
            assert not any(task.done() for task in first.tasks)
            await world.until(lambda: world.addresses() == ["192.0.2.7"], "the slice")
            cut.heal()
            await second.stop()
            await eventually(lambda: first.leading, "the first to lead again", 40)
