"""Outbound policies: many streams on all services, and a route of one of these changes."""

import asyncio
import contextlib
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bench import dataset, policy, requests
from bench.cluster import Cluster
from bench.fanout import Crowd
from bench.figures import Figure
from bench.load import Load
from bench.processes import BenchError, Server, cpu_ns, rss_bytes, settled
from bench.seed import send
from linkerd.kube.errors import NotFound
from linkerd.policy.parents import CONTROLLER

WATCH: Final = "/io.linkerd.proxy.outbound.OutboundPolicies/Watch"

_SOURCES: Final = 2  # namespaces of each service's clients; more requests fit no command line
_GROUP: Final = "/apis/policy.linkerd.io/v1beta3"
_NAME: Final = "bench-outbound"
_PATIENCE: Final = 30.0  # seconds


async def run(cluster: Cluster, logs: Path, shape: Crowd, *, count: int = 20) -> list[Figure]:
    """First answers to clients that follow all services, and what one change of a route costs.
    Raises BenchError unless the followers of its service hear of it, and nobody else does."""
    asked = await _requests(cluster)
    log = logs / "policy-outbound.log"
    async with policy.serve(cluster, log) as server, _Route(cluster) as route:
        await settled(server.pid)
        memory, cpu = rss_bytes(server.pid), cpu_ns(server.pid)
        async with Load.open(
            server.address,
            asked,
            streams=shape.streams,
            connections=shape.connections,
            method=WATCH,
        ) as load:
            first = await load.first()
            if first.lost:
                raise BenchError(f"{first.lost} streams ended: {(await load.status()).details}")
            await settled(server.pid)
            memory, cpu = rss_bytes(server.pid) - memory, cpu_ns(server.pid) - cpu
            listeners = len([n for n in range(shape.streams) if n % len(asked) < _SOURCES])
            costs = [await _change(server, load, route, listeners) for _ in range(count)]
    at = {"streams": shape.streams, "connections": shape.connections, "services": len(asked) // 2}
    heard = {**at, "listeners": listeners, "changes": count}
    return [
        Figure("policy_outbound_first_all_s", first.last_ms / 1e3, at),
        Figure("policy_outbound_first_cpu_s", cpu / 1e9, at),
        Figure("policy_outbound_kib_per_stream", memory / 1024 / shape.streams, at),
        Figure("policy_outbound_change_us", statistics.median(costs), heard),
    ]


async def _requests(cluster: Cluster) -> Sequence[bytes]:
    """One for each service and namespace of clients, by the service's address. Those of the service
    whose route changes are first."""
    listed = json.loads(await send(cluster.client, "GET", "/api/v1/services"))
    addresses = {
        (item["metadata"]["namespace"], item["metadata"]["name"]): item["spec"]["clusterIP"]
        for item in listed["items"]
        if item["metadata"]["name"].startswith("app-")
    }
    sources = [dataset.namespace(n) for n in range(_SOURCES)]
    return [
        requests.traffic_spec(addresses[name], dataset.PORT, source)
        for name in sorted(addresses)
        for source in sources
    ]


class _Route:
    """An HTTPRoute of the first service, accepted, while the block lasts."""

    def __init__(self, cluster: Cluster) -> None:
        self._client = cluster.client
        self._path = f"{_GROUP}/namespaces/{dataset.namespace(0)}/httproutes"
        self._count = 0

    async def __aenter__(self) -> Self:
        await self._delete()
        parent = {"group": "core", "kind": "Service", "name": "app-000", "port": dataset.PORT}
        body = {
            "apiVersion": "policy.linkerd.io/v1beta3",
            "kind": "HTTPRoute",
            "metadata": {"name": _NAME},
            "spec": {"parentRefs": [parent]},
        }
        await send(self._client, "POST", self._path, body)
        accepted = {
            "type": "Accepted",
            "status": "True",
            "reason": "Accepted",
            "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        entry = {"parentRef": parent, "controllerName": CONTROLLER, "conditions": [accepted]}
        status = {"status": {"parents": [entry]}}
        await send(self._client, "PATCH", f"{self._path}/{_NAME}/status", status)
        return self

    async def change(self) -> None:
        """Its host becomes another."""
        self._count += 1
        spec = {"spec": {"hostnames": [f"h{self._count}.test"]}}
        await send(self._client, "PATCH", f"{self._path}/{_NAME}", spec)

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self._delete()

    async def _delete(self) -> None:
        with contextlib.suppress(NotFound):
            await send(self._client, "DELETE", f"{self._path}/{_NAME}")


async def _change(server: Server, load: Load, route: _Route, listeners: int) -> float:
    """Server CPU of one change, in microseconds."""
    before, cpu = (await load.status()).messages, cpu_ns(server.pid)
    await route.change()
    deadline = time.monotonic() + _PATIENCE
    while (heard := (await load.status()).messages - before) < listeners:
        if time.monotonic() > deadline:
            raise BenchError(f"{heard} of {listeners} followers heard of a change")
        await asyncio.sleep(0.01)
    await settled(server.pid)
    heard = (await load.status()).messages - before
    if heard != listeners:
        raise BenchError(f"{heard} messages came of a change that concerns {listeners} streams")
    return (cpu_ns(server.pid) - cpu) / 1e3
