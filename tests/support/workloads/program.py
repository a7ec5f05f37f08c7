"""The controller beside a real API server, for tests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from prometheus_client import CollectorRegistry

from linkerd.kube.client import KubeClient
from linkerd.kube.events import Applied
from linkerd.kube.objects import EndpointSlice, ExternalWorkload, Service
from linkerd.kube.reflector import Reflector
from linkerd.kube.resource import ENDPOINT_SLICES, EXTERNAL_WORKLOADS, SERVICES
from linkerd.local.api import AdminApi
from linkerd.mesh.labels import SLICE_MANAGED_BY
from linkerd.runtime.clock import SystemClock
from services.destination.workloads import WorkloadSlices
from services.destination.workloads.names import LEASE, MANAGER
from tests.support.elections import QUICK
from tests.support.eventually import eventually

DEFINITION: Final = Path(__file__).parents[3] / "deploy/base/crds/externalworkloads.yaml"
Document = dict[str, Any]


@dataclass
class Replica:
    """A controller with reflectors of one namespace."""

    slices: WorkloadSlices
    registry: CollectorRegistry
    tasks: list["asyncio.Task[Any]"] = field(default_factory=list)

    @property
    def leading(self) -> bool:
        return self.slices.leader.leading

    def writes(self, operation: str) -> float:
        name, labels = "workload_slices_writes_total", {"operation": operation}
        return self.registry.get_sample_value(name, labels) or 0.0

    def queue_value(self, name: str) -> float:
        labels = {"name": "endpoints_controller_workqueue"}
        return self.registry.get_sample_value(f"workqueue_{name}", labels) or 0.0

    async def stop(self) -> None:
        await self.slices.leader.stop()


@asynccontextmanager
async def replica(client: KubeClient, namespace: str, identity: str) -> AsyncIterator[Replica]:
    registry = CollectorRegistry()
    made = WorkloadSlices(client, namespace, identity, SystemClock(), registry, times=QUICK)
    running = Replica(made, registry)
    reflectors: list[Reflector[Any]] = [
        Reflector(client, resource.narrowed(namespace), made.listeners[resource.kind])
        for resource in (SERVICES, EXTERNAL_WORKLOADS, ENDPOINT_SLICES)
    ]
    running.tasks = [asyncio.create_task(each.run()) for each in reflectors]
    await asyncio.gather(*(each.wait_synced() for each in reflectors))
    running.tasks.append(asyncio.create_task(made.leader.run()))
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
        return [
            each for each in found if each["metadata"]["labels"].get(SLICE_MANAGED_BY) == MANAGER
        ]

    def endpoints(self) -> list[Document]:
        return [endpoint for each in self.slices() for endpoint in each["endpoints"] or []]

    def addresses(self) -> list[str]:
        return sorted(ip for each in self.endpoints() for ip in each["addresses"])

    def lease(self) -> Document:
        found: Document = self.api.request("GET", self.path("leases", LEASE))["spec"]
        return found

    async def until(self, condition: Callable[[], object], what: str) -> None:
        await eventually(condition, what, 20)


class Blind:
    """A controller whose reflector of slices is behind: it shows what `show` says, no more."""

    def __init__(self, client: KubeClient, world: World) -> None:
        self.world = world
        self.registry = CollectorRegistry()
        made = WorkloadSlices(client, world.namespace, "blind", SystemClock(), self.registry)
        self.controller, self.listeners = made.controller, made.listeners

    def take(self, name: str) -> None:
        """An event of a machine that is on the server."""
        found = self.world.api.request("GET", self.world.path("externalworkloads", name))
        self.listeners["ExternalWorkload"]([Applied(msgspec.convert(found, ExternalWorkload))])

    def take_service(self) -> None:
        found = self.world.api.request("GET", self.world.path("services", "ledger"))
        self.listeners["Service"]([Applied(msgspec.convert(found, Service))])

    def show(self) -> None:
        """The reflector has caught up."""
        slices = msgspec.convert(self.world.slices(), list[EndpointSlice])
        self.listeners["EndpointSlice"]([Applied(each) for each in slices])

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
