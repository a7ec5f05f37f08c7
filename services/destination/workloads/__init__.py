"""Slices of ExternalWorkloads: kept by one replica, whichever holds the Lease."""

import asyncio
import os
import secrets
import socket
from contextlib import suppress
from typing import Final

from prometheus_client import CollectorRegistry

from linkerd.kube.client import KubeClient
from linkerd.kube.lease_lock import LeaseLock
from linkerd.kube.leases import Election, LeaseMetrics, LeaseTimes
from linkerd.runtime.clock import Clock
from services.destination.workloads.controller import Controller
from services.destination.workloads.names import LEASE

__all__ = ["WorkloadSlices", "own_identity"]

_DRAIN: Final = 5.0  # seconds that an orderly end spends on what waits


def own_identity() -> str:
    """Who we are among the replicas: HOSTNAME, which in a pod is its name. Elsewhere, where it may
    not be set and several processes may share a host, a name that is ours alone."""
    return os.environ.get("HOSTNAME") or f"{socket.gethostname()}_{secrets.token_hex(4)}"


class WorkloadSlices:
    """Chain `controller.take_*` behind the reflectors of Services, ExternalWorkloads and
    EndpointSlices, start `run` when these have synced, and defer `stop`."""

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
