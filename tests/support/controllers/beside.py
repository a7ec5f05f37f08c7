"""A controller beside a real API server, with a gate before its writes."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from prometheus_client import CollectorRegistry

from linkerd.kube.client import JSON, KubeClient
from linkerd.kube.controller.election import Election, LeaseMetrics
from linkerd.kube.controller.leader import Leader
from linkerd.kube.controller.lease import LeaseLock
from linkerd.kube.reflector import Reflector
from linkerd.kube.resource import Resource
from linkerd.runtime.clock import SystemClock
from tests.support.controllers.replica import Controlled, Make
from tests.support.elections import QUICK

LEASE: Final = "who-copies"


class Gate:
    """Lets so many writes through; who comes then waits until it is opened."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._open = asyncio.Event()
        self.left = 1_000_000
        self.waiting = 0

    def open(self) -> None:
        """For all, from now on."""
        self._open.set()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = JSON,
        timeout: float = 30.0,
    ) -> bytes:
        """As KubeClient has it."""
        self.left -= 1
        if self.left < 0:
            self.waiting += 1
            await self._open.wait()
        return await self._client.request(
            method, path, query=query, body=body, content_type=content_type, timeout=timeout
        )


class Beside:
    """A controller, its leader and what they count."""

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        identity: str,
        make: Make,
        lease: str = LEASE,
    ) -> None:
        self.registry = CollectorRegistry()
        self.gate = Gate(client)
        clock = SystemClock()
        self.made: Controlled = make(self.gate, clock, self.registry)
        lock = LeaseLock(client, namespace, lease)
        metrics = LeaseMetrics(self.registry)
        election = Election(lock, identity, metrics=metrics, clock=clock, times=QUICK)
        self.leader = Leader(self.made.controller, election)

    def value(self, name: str, **labels: str) -> float:
        """A metric; the sum of its series if labels do not say which."""
        found = [
            each.value
            for family in self.registry.collect()
            for each in family.samples
            if each.name == name and labels.items() <= each.labels.items()
        ]
        return sum(found)

    def show(self, event: Any) -> None:
        """An event that no reflector brings."""
        (listener,) = self.made.listeners.values()
        listener([event])

    @asynccontextmanager
    async def leading(self) -> AsyncIterator[None]:
        """It leads, without a Lease; it is killed at the end."""
        task = asyncio.create_task(self.made.controller.lead())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait((task,))


@asynccontextmanager
async def beside(
    client: KubeClient,
    namespace: str,
    identity: str,
    make: Make,
    resource: Resource[Any],
    lease: str = LEASE,
) -> AsyncIterator[Beside]:
    """One that reads a kind in a namespace, and competes for a Lease there. It is killed at the end
    unless it has been stopped."""
    made = Beside(client, namespace, identity, make, lease)
    listener = made.made.listeners[resource.kind]
    reflector = Reflector(client, resource.narrowed(namespace), listener)
    tasks: list[asyncio.Task[Any]] = [asyncio.create_task(reflector.run())]
    await reflector.wait_synced()
    tasks.append(asyncio.create_task(made.leader.run()))
    try:
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
