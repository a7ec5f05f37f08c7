"""A Deployment that is replaced batch by batch, written as its controllers and kubelets would.

A batch: new pods are made and run; they are listed, not ready, then ready; old pods are on their
way out, then not listed; the old pods are gone. Two of the four writes of slices change who is
ready: those are the batches that arrive at listeners.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from bench import dataset
from bench.dataset import Json, Member, Shape
from bench.seed import send
from linkerd.kube.client import KubeClient
from linkerd.kube.errors import NotFound
from linkerd.mesh.labels import SERVICE_NAME

Write = Callable[[], Awaitable[None]]

_TOGETHER = 24  # requests at a time


@dataclass(frozen=True, slots=True)
class RolledPod(Member):
    """One pod of the Deployment; `number` counts on from the dataset's."""

    deployment: str = ""

    @property
    def namespace(self) -> str:
        """The first of the dataset's."""
        return dataset.namespace(0)

    @property
    def app(self) -> str:
        """The Deployment's name."""
        return self.deployment

    @property
    def name(self) -> str:
        """Its name."""
        return f"{self.deployment}-{self.number:05x}"


@dataclass
class Rolled:
    """Pods of a Deployment and the slices that list them: old ones, and new ones beside them."""

    client: KubeClient
    shape: Shape
    replicas: int
    batch: int
    name: str = "rolled"
    _generation: int = 0
    _slices: dict[str, list[Json]] = field(default_factory=dict)

    @property
    def authority(self) -> str:
        """What listeners ask for."""
        return dataset.authority(self.name, dataset.namespace(0))

    @property
    def batches(self) -> int:
        """How many writes of a roll change who is ready."""
        return 2 * len(range(0, self.replicas, self.batch))

    async def create(self) -> None:
        """The service and its first pods, ready."""
        await self.delete()
        item = dataset.make_service(dataset.namespace(0), self.name)
        await send(self.client, "POST", item.path, item.body)
        pods = self._pods()
        await self._make(pods)
        for start in range(0, len(pods), dataset.SLICE_SIZE):
            part = pods[start : start + dataset.SLICE_SIZE]
            await self._write(part[0], [pod.endpoint() for pod in part])

    async def delete(self) -> None:
        """All of it, also what a run that was broken off left behind."""
        here, name = dataset.namespace(0), self.name
        pods = dataset.collection(here, "pods")
        await send(self.client, "DELETE", pods, labelSelector=f"app={name}", gracePeriodSeconds="0")
        slices = dataset.collection(here, "endpointslices", "/apis/discovery.k8s.io/v1")
        of_service = f"{SERVICE_NAME}={name}"
        await send(self.client, "DELETE", slices, labelSelector=of_service)
        with suppress(NotFound):
            await send(self.client, "DELETE", f"{dataset.collection(here, 'services')}/{name}")
        self._slices.clear()

    async def roll(self, arrives: Callable[[Write], Awaitable[None]]) -> None:
        """Replaces every pod. `arrives` is given each write that changes who is ready; it makes
        the write and returns when its listeners have heard of it."""
        old = self._pods()
        self._generation += 1
        new = self._pods()
        for start in range(0, self.replicas, self.batch):
            ends, begins = old[start : start + self.batch], new[start : start + self.batch]
            await self._make(begins)
            await self._list(begins, ready=False)
            await arrives(partial(self._list, begins, ready=True))
            await arrives(partial(self._list, ends, ready=False))
            await self._unlist(ends)
            await self._each(self._end(pod) for pod in ends)

    def _pods(self) -> list[RolledPod]:
        first = self.shape.pods + self._generation * self.replicas
        numbers = range(first, first + self.replicas)
        return [RolledPod(self.shape, number, self.name) for number in numbers]

    async def _make(self, pods: Iterable[RolledPod]) -> None:
        await self._each(self._begin(pod) for pod in pods)

    async def _begin(self, pod: RolledPod) -> None:
        path = dataset.collection(pod.namespace, "pods")
        await send(self.client, "POST", path, dataset.make_pod(pod))
        status = {"status": dataset.pod_status(pod)}
        await send(self.client, "PATCH", f"{path}/{pod.name}/status", status)

    async def _end(self, pod: RolledPod) -> None:
        path = dataset.collection(pod.namespace, "pods")
        await send(self.client, "DELETE", f"{path}/{pod.name}", gracePeriodSeconds="0")

    async def _list(self, pods: list[RolledPod], *, ready: bool) -> None:
        listed = {pod.name: pod.endpoint() for pod in pods}
        for endpoint in listed.values():
            endpoint["conditions"]["ready"] = ready
        await self._write(pods[0], [*self._others(pods), *listed.values()])

    async def _unlist(self, pods: list[RolledPod]) -> None:
        await self._write(pods[0], self._others(pods))

    def _others(self, pods: list[RolledPod]) -> list[Json]:
        names = {pod.name for pod in pods}
        known = self._slices.get(self._slice_of(pods[0]), [])
        return [each for each in known if each["targetRef"]["name"] not in names]

    def _slice_of(self, pod: RolledPod) -> str:
        """A slice takes a hundred pods that follow each other, all of one generation."""
        number = pod.number - self.shape.pods
        generation, place = divmod(number, self.replicas)
        return f"{self.name}-{generation}-{place // dataset.SLICE_SIZE}"

    async def _write(self, pod: RolledPod, endpoints: list[Json]) -> None:
        name = self._slice_of(pod)
        (item,) = dataset.make_slices(self.name, [pod])
        item.body["metadata"]["name"] = name
        item.body["endpoints"] = endpoints
        if name not in self._slices:
            await send(self.client, "POST", item.path, item.body)
        elif endpoints:
            await send(self.client, "PUT", f"{item.path}/{name}", item.body)
        else:
            await send(self.client, "DELETE", f"{item.path}/{name}")
        self._slices[name] = endpoints

    async def _each(self, requests: Iterable[Awaitable[None]]) -> None:
        queue = iter(requests)
        async with asyncio.TaskGroup() as group:
            for _ in range(_TOGETHER):
                group.create_task(_drain(queue))


async def _drain(queue: Iterator[Awaitable[None]]) -> None:
    for request in queue:
        await request
