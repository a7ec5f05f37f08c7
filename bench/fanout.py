"""Fan-out: many streams on one service, one endpoint changes, everybody is told.

Figures: server CPU a stream for one change, memory that a stream adds, time from the write to
the API server until the last stream has it, and time until all first answers are out. Each is
a median over changes that alternate between an endpoint going and coming back.
"""

import contextlib
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from bench import dataset, requests
from bench.cluster import Cluster
from bench.load import Load, Wave
from bench.processes import BenchError, Server, cpu_ns, rss_bytes, settled
from bench.seed import Fan


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many streams, over how many connections, on a service of how many endpoints."""

    streams: int = 10_000
    connections: int = 20
    endpoints: int = 100
    spread: bool = False  # clients on every node; else none says where it is

    def requests(self, shape: dataset.Shape) -> list[bytes]:
        """The requests that the streams take in turn."""
        name = dataset.authority(dataset.fan(self.endpoints), dataset.namespace(0))
        if not self.spread:
            return [requests.get_destination(name)]
        return [
            requests.get_destination(name, namespace=dataset.namespace(0), node=dataset.node(i))
            for i in range(shape.nodes)
        ]


@dataclass(frozen=True, slots=True)
class Opened:
    """What opening the crowd took: wall time and server CPU until all had their first answer."""

    first: Wave
    cpu_seconds: float
    memory_bytes: int  # resident, above what it was before the streams


@dataclass(frozen=True, slots=True)
class Change:
    """What one change took."""

    cpu_us: float
    last_ms: float  # since the request to the API server was sent
    write_ms: float  # of which until the API server had answered
    messages: int
    bytes: int


@contextlib.asynccontextmanager
async def crowd(
    cluster: Cluster, server: Server, shape: Crowd, *, decode: bool = False
) -> AsyncIterator[tuple[Load, Opened]]:
    """Open the streams and wait until every one has its first answer and the server rests; with
    `decode` an answer counts once it is decoded."""
    await settled(server.pid)
    memory, cpu = rss_bytes(server.pid), cpu_ns(server.pid)
    async with Load.open(
        server.address,
        shape.requests(cluster.shape),
        streams=shape.streams,
        connections=shape.connections,
        options=["-decode"] if decode else [],
    ) as load:
        first = await load.first()
        if first.lost:
            status = await load.status()
            raise BenchError(f"{first.lost} streams ended: {status.ended} {status.details}")
        await settled(server.pid)
        used = (cpu_ns(server.pid) - cpu) / 1e9
        yield load, Opened(first, used, rss_bytes(server.pid) - memory)


async def changes(
    server: Server, load: Load, fan: Fan, *, count: int, changed: int = 1
) -> list[Change]:
    """Make an even number of changes, so that the dataset is in the end what it was."""
    taken = [await _change(server, load, fan, changed) for _ in range(count + count % 2)]
    await settled(server.pid)
    return taken


async def _change(server: Server, load: Load, fan: Fan, changed: int) -> Change:
    await load.arm()
    cpu, begun = cpu_ns(server.pid), time.time_ns()
    await fan.flip(changed)
    written = time.time_ns()
    wave = await load.changed()
    if wave.lost:
        raise BenchError(f"{wave.lost} streams ended while a change went out")
    await settled(server.pid)
    return Change(
        cpu_us=(cpu_ns(server.pid) - cpu) / 1e3,
        last_ms=wave.last_ms + (wave.begun_unix_ns - begun) / 1e6,
        write_ms=(written - begun) / 1e6,
        messages=wave.messages,
        bytes=wave.bytes,
    )


def cpu_per_stream(taken: Sequence[Change], streams: int) -> float:
    """Median server CPU of a change, a stream, in microseconds."""
    return statistics.median(change.cpu_us for change in taken) / streams


def last_ms(taken: Sequence[Change]) -> float:
    """Median time to the last stream, in milliseconds."""
    return statistics.median(change.last_ms for change in taken)
