"""The policy service with 10,000 pods in one namespace, a port of each of which is followed: its
start, the first answers, what a stream takes, and a Server that comes to select all, and goes."""

import statistics
import time
from collections.abc import Awaitable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import cluster, dataset, policy
from bench.cluster import Cluster
from bench.dataset import Member, Shape
from bench.figures import Figure
from bench.load import Load
from bench.processes import ROOT, BenchError, Server, cpu_ns, rss_bytes, settled
from bench.requests import port_spec
from bench.seed import send
from linkerd.kube.client import KubeClient
from linkerd.kube.errors import NotFound
from linkerd.local.progress import Progress

SHAPE: Final = Shape(namespaces=1, services_per_namespace=1_000, pods_per_service=10, fans=())
STATE: Final = ROOT / "build" / "bench" / "cluster-policy"
WATCH_PORT: Final = "/io.linkerd.proxy.inbound.InboundServerPolicies/WatchPort"

_SERVERS: Final = f"/apis/policy.linkerd.io/v1beta3/namespaces/{dataset.namespace(0)}/servers"
_NAME: Final = "bench-all"


@dataclass(frozen=True, slots=True)
class Change:
    """What it took to tell all."""

    cpu_us: float
    last_ms: float  # since the request to the API server was sent


async def run(
    logs: Path, progress: Progress, *, streams: int, connections: int, count: int = 6
) -> list[Figure]:
    """All figures; `count` changes, every other of which takes the one before it back."""
    async with cluster.seeded(None, progress, SHAPE, state=STATE) as where:
        await _delete(where.client)
        figures = await _starts(where, logs)
        async with policy.serve(where, logs / "policy-inbound.log") as server:
            return figures + await _crowd(where, server, streams, connections, count)


async def _starts(where: Cluster, logs: Path, runs: int = 3) -> list[Figure]:
    times, sizes = [], []
    for index in range(runs):
        async with policy.serve(where, logs / f"policy-startup-{index}.log") as server:
            await settled(server.pid)
            times.append(server.ready_seconds)
            sizes.append(rss_bytes(server.pid) / 2**20)
    at = {"services": SHAPE.services, "pods": SHAPE.pods, "runs": runs}
    return [
        Figure("policy_ready_s", statistics.median(times), at),
        Figure("policy_rss_mib", statistics.median(sizes), at),
    ]


async def _crowd(
    where: Cluster, server: Server, streams: int, connections: int, count: int
) -> list[Figure]:
    await settled(server.pid)
    memory, cpu = rss_bytes(server.pid), cpu_ns(server.pid)
    async with Load.open(
        server.address,
        list(_requests()),
        streams=streams,
        connections=connections,
        method=WATCH_PORT,
    ) as load:
        first = await load.first()
        if first.lost:
            raise BenchError(f"{first.lost} streams ended: {(await load.status()).details}")
        await settled(server.pid)
        memory, cpu = rss_bytes(server.pid) - memory, cpu_ns(server.pid) - cpu
        taken = []
        for _ in range(count // 2):
            taken.append(await _change(server, load, _create(where.client)))
            taken.append(await _change(server, load, _delete(where.client)))
    at = {"streams": streams, "connections": connections, "pods": SHAPE.pods}
    told = {**at, "changes": len(taken)}
    cpu_us = statistics.median(change.cpu_us for change in taken) / streams
    return [
        Figure("policy_first_all_s", first.last_ms / 1e3, at),
        Figure("policy_first_cpu_s", cpu / 1e9, at),
        Figure("policy_kib_per_stream", memory / 1024 / streams, at),
        Figure("policy_change_all_ms", statistics.median(each.last_ms for each in taken), told),
        Figure("policy_change_cpu_us_per_stream", cpu_us, told),
    ]


def _requests() -> Iterator[bytes]:
    """The port of every pod, by its name."""
    for number in range(SHAPE.pods):
        pod = Member(SHAPE, number)
        yield port_spec(pod.namespace, pod.name, dataset.PORT)


async def _create(client: KubeClient) -> None:
    """A Server of all pods."""
    body = {
        "apiVersion": "policy.linkerd.io/v1beta3",
        "kind": "Server",
        "metadata": {"name": _NAME},
        "spec": {"port": dataset.PORT, "podSelector": {}, "accessPolicy": "all-unauthenticated"},
    }
    await send(client, "POST", _SERVERS, body)


async def _delete(client: KubeClient) -> None:
    with suppress(NotFound):
        await send(client, "DELETE", f"{_SERVERS}/{_NAME}")


async def _change(server: Server, load: Load, write: Awaitable[None]) -> Change:
    await load.arm()
    cpu, begun = cpu_ns(server.pid), time.time_ns()
    await write
    wave = await load.changed()
    if wave.lost:
        raise BenchError(f"{wave.lost} streams ended while a change went out")
    await settled(server.pid)
    return Change(
        cpu_us=(cpu_ns(server.pid) - cpu) / 1e3,
        last_ms=wave.last_ms + (wave.begun_unix_ns - begun) / 1e6,
    )
