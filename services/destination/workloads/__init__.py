"""Slices of ExternalWorkloads: kept by one replica, whichever holds the Lease."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from prometheus_client import CollectorRegistry

from linkerd.kube.client import KubeClient
from linkerd.kube.controller.election import Election, LeaseMetrics, LeaseTimes
from linkerd.kube.controller.lease import LeaseLock
from linkerd.kube.events import Event
from linkerd.runtime.clock import Clock
from services.destination.workloads.controller import Controller
from services.destination.workloads.names import LEASE

_DRAIN: Final = 5.0  # seconds that an orderly end spends on what waits


Listener = Callable[[Sequence[Event[Any]]], None]


class WorkloadSlices:
    """Chain `listener` behind those of the reflectors, start `run` when these have synced, and
    defer `stop`."""

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        identity: str,
        clock: Clock,
        registry: CollectorRegistry,
        *,
        queue_metrics: bool = True,
        times: LeaseTimes | None = None,
    ) -> None:
        """`namespace` is the control plane's. `queue_metrics`: whether `registry` has them."""
        self._clock = clock
        self.controller = Controller(
            client,
            clock,
            registry,
            queue_metrics=registry if queue_metrics else CollectorRegistry(),
        )
        self.election = Election(
            LeaseLock(client, namespace, LEASE),
            identity,
            metrics=LeaseMetrics(registry),
            clock=clock,
            times=times,
        )
        self._running: asyncio.Task[None] | None = None

    def listener(self, kind: str) -> Listener | None:
        """What the reflector of a kind (Kubernetes' name of it) is to call with each batch of
        events; None for kinds that do not matter here. It never raises."""
        takers: dict[str, Listener] = {
            "Service": self.controller.take_services,
            "ExternalWorkload": self.controller.take_workloads,
            "EndpointSlice": self.controller.take_slices,
        }
        return takers.get(kind)

    async def run(self) -> None:
        """Competes for the Lease, and keeps slices while it has it, until `stop`."""
        self._running = asyncio.create_task(
            self.election.run(self.controller.lead), name="workload slices election"
        )
        try:
            await asyncio.wait((self._running,))
        finally:
            self._running.cancel()
            await asyncio.wait((self._running,))
        if not self._running.cancelled():
            self._running.result()

    async def stop(self) -> None:
        """An orderly end: finishes what waits, then gives the Lease back, and `run` returns."""
        running = self._running
        if running is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN):
                await self.controller.drained()
        running.cancel()
        await asyncio.wait((running,))
