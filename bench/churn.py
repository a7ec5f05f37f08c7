"""Endpoints come and go all the time: how late listeners hear of it, and whether memory stays.

Ten services of a hundred endpoints each. One write replaces ten endpoints of one slice by ten
others, pods of the dataset all of them, fifty times a second: 500 changes a second. A few hundred
listeners only count; one follower a service reads every message and knows when each change was
begun.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from bench import dataset, destination, requests
from bench.cluster import Cluster
from bench.dataset import Json, Member
from bench.figures import Figure
from bench.load import Load, Status
from bench.processes import BenchError, Server, cpu_ns, rss_bytes, settled
from bench.seed import send
from linkerd.kube.client import KubeClient
from linkerd.kube.errors import NotFound
from linkerd.stubs.proxy import destination_pb2 as pb
from linkerd.stubs.proxy import destination_pb2_grpc


@dataclass(frozen=True, slots=True)
class Churn:
    """How much of it. `warm_up` is the part of the time after which memory is compared."""

    seconds: float = 120.0
    rate: float = 500.0  # endpoints a second
    services: int = 10
    endpoints: int = 100
    together: int = 10  # endpoints a write
    listeners: int = 500
    warm_up: float = 0.25


class ChurnedService:
    """A service whose slice is a window that moves over the pods of a namespace."""

    def __init__(self, client: KubeClient, name: str, pods: Sequence[Member], churn: Churn) -> None:
        self.begun: dict[int, float] = {}  # by address: when the write that added it was begun
        self.authority = dataset.authority(name, dataset.namespace(0))
        self._client = client
        self._name = name
        self._endpoints = [pod.endpoint() for pod in pods]
        self._churn = churn
        self._first = 0
        self._turn = asyncio.Lock()

    async def create(self) -> None:
        """The service and its slice."""
        await self.delete()
        service = dataset.make_service(dataset.namespace(0), self._name)
        await send(self._client, "POST", service.path, service.body)
        path, body = self._slice()
        await send(self._client, "POST", path, body)

    async def delete(self) -> None:
        """Both, whether or not they are there."""
        slice_path, body = self._slice()
        service = dataset.make_service(dataset.namespace(0), self._name)
        for path in (f"{slice_path}/{body['metadata']['name']}", f"{service.path}/{self._name}"):
            with suppress(NotFound):
                await send(self._client, "DELETE", path)

    async def change(self) -> None:
        """One write: the oldest endpoints go, as many others come. Writes keep their order."""
        async with self._turn:
            self._first += self._churn.together
            path, body = self._slice()
            now = time.monotonic()
            for endpoint in body["endpoints"][-self._churn.together :]:
                self.begun[_number(endpoint["addresses"][0])] = now
            await send(self._client, "PUT", f"{path}/{body['metadata']['name']}", body)

    def _slice(self) -> tuple[str, Json]:
        (item,) = dataset.make_slices(self._name, [Member(dataset.Shape(), 0)])
        size = len(self._endpoints)
        window = range(self._first, self._first + self._churn.endpoints)
        item.body["endpoints"] = [self._endpoints[index % size] for index in window]
        return item.path, item.body


def _number(ip: str) -> int:
    """An IPv4 address as messages have it."""
    a, b, c, d = map(int, ip.split("."))
    return a << 24 | b << 16 | c << 8 | d


@dataclass
class Follower:
    """A stream that reads everything, and how late each change was, in ms."""

    service: ChurnedService
    lags: list[float] = field(default_factory=list)

    async def follow(self, stub: Any) -> None:
        """Reads until cancelled."""
        async for update in stub.Get(pb.GetDestination(path=self.service.authority)):
            now = time.monotonic()
            for item in update.add.addrs:
                begun = self.service.begun.pop(item.addr.ip.ipv4, None)
                if begun is not None:
                    self.lags.append((now - begun) * 1e3)


@dataclass(frozen=True, slots=True)
class _Sample:
    at: float
    cpu_ns: int
    rss: int
    status: Status

    @classmethod
    async def take(cls, server: Server, load: Load) -> "_Sample":
        status = await load.status()
        return cls(time.monotonic(), cpu_ns(server.pid), rss_bytes(server.pid), status)


async def run(cluster: Cluster, logs: Path, churn: Churn | None = None) -> list[Figure]:
    """Changes endpoints for as long as `churn` says. BenchError when the API server does not take
    nine tenths of the writes in time."""
    churn = churn or Churn()
    pods = [
        Member(cluster.shape, number)
        for number in range(cluster.shape.services_per_namespace * cluster.shape.pods_per_service)
    ]
    services = [
        ChurnedService(cluster.client, f"churn-{index}", pods, churn)
        for index in range(churn.services)
    ]
    async with AsyncExitStack() as stack:
        for service in services:
            stack.push_async_callback(service.delete)
            await service.create()
        server = await stack.enter_async_context(destination.serve(cluster, logs / "churn.log"))
        return await _measure(server, services, churn)


async def _measure(
    server: Server, services: Sequence[ChurnedService], churn: Churn
) -> list[Figure]:
    wanted = [requests.get_destination(service.authority) for service in services]
    async with (
        Load.open(server.address, wanted, streams=churn.listeners, connections=20) as load,
        grpc.aio.insecure_channel(server.address) as channel,
        asyncio.TaskGroup() as tasks,
    ):
        await load.first()
        stub = destination_pb2_grpc.DestinationStub(channel)
        followers = [Follower(service) for service in services]
        following = [tasks.create_task(each.follow(stub)) for each in followers]
        await settled(server.pid)
        await _write(services, churn, churn.seconds * churn.warm_up)
        await settled(server.pid)
        warm = await _Sample.take(server, load)
        for follower in followers:
            follower.lags.clear()
        rate = await _write(services, churn, churn.seconds * (1 - churn.warm_up))
        await settled(server.pid)
        end = await _Sample.take(server, load)
        for task in following:
            task.cancel()
    if end.status.open < churn.listeners:
        raise BenchError(f"streams ended: {end.status.ended} {end.status.details}")
    lags = sorted(lag for follower in followers for lag in follower.lags)
    return _figures(churn, rate, lags, warm, end)


async def _write(services: Sequence[ChurnedService], churn: Churn, seconds: float) -> float:
    """Writes in turn, on time if the API server can; the rate that was reached."""
    pause = churn.together / churn.rate
    count = max(1, round(seconds / pause))
    begun = time.monotonic()
    async with asyncio.TaskGroup() as writes:
        for number in range(count):
            await asyncio.sleep(begun + number * pause - time.monotonic())
            writes.create_task(services[number % len(services)].change())
    rate = count * churn.together / (time.monotonic() - begun)
    if rate < 0.9 * churn.rate:
        raise BenchError(f"the API server took {rate:.0f} changes a second, not {churn.rate:.0f}")
    return rate


def _figures(
    churn: Churn, rate: float, lags: Sequence[float], warm: _Sample, end: _Sample
) -> list[Figure]:
    seconds = end.at - warm.at
    messages = end.status.messages - warm.status.messages
    at = {
        "changes a second": round(rate),
        "a write": churn.together,
        "seconds": churn.seconds,
        "listeners": churn.listeners,
    }
    seen = {"seen": len(lags), "median ms": round(lags[len(lags) // 2], 1)}
    return [
        Figure("churn_lag_p99_ms", lags[int(0.99 * (len(lags) - 1))], {**at, **seen}),
        Figure("churn_growth_mib", (end.rss - warm.rss) / 2**20, {**at, "rss": end.rss}),
        Figure("churn_cpu_percent", (end.cpu_ns - warm.cpu_ns) / 1e7 / seconds, at),
        Figure(
            "churn_messages_per_s",
            messages / seconds,
            {**at, "each": round(messages / churn.listeners)},
        ),
    ]
