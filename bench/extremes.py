"""Fan-out at its two ends: a connection for every stream, and as many streams as a process takes.

Proxies come with a connection each; behind sidecars, and in tests, many streams share one. What is
measured is as in `fanout`, with fewer changes, so that each takes half a minute at most.
"""

import resource
from pathlib import Path

from bench import destination
from bench.cluster import Cluster
from bench.fanout import Change, Crowd, changes, cpu_per_stream, crowd, last_ms
from bench.figures import Figure
from bench.processes import BenchError, rss_bytes
from bench.seed import Fan

CONNECTIONS = Crowd(streams=5_000, connections=5_000)
STREAMS = Crowd(streams=100_000, connections=200, endpoints=10)  # first answers take longest

_MIB = 1 << 20
_RESERVE = 1_000  # files besides connections


async def connections(
    cluster: Cluster, logs: Path, shape: Crowd = CONNECTIONS, *, count: int = 8
) -> list[Figure]:
    """A connection for every stream."""
    _allow_files(shape.connections + _RESERVE)
    fan = Fan(cluster.client, shape.endpoints)
    await fan.restore()
    async with (
        destination.serve(cluster, logs / "conn5000.log") as server,
        crowd(cluster, server, shape) as (load, opened),
    ):
        taken = await changes(server, load, fan, count=count)
    at = _at(shape, taken)
    return [
        Figure("conn5000_cpu_us_per_stream", cpu_per_stream(taken, shape.streams), at),
        Figure("conn5000_last_ms", last_ms(taken), at),
        Figure("conn5000_kib", opened.memory_bytes / 1024 / shape.streams, at),
    ]


async def streams(
    cluster: Cluster, logs: Path, shape: Crowd = STREAMS, *, count: int = 4
) -> list[Figure]:
    """All the streams that a process takes."""
    fan = Fan(cluster.client, shape.endpoints)
    await fan.restore()
    async with (
        destination.serve(cluster, logs / "streams100k.log") as server,
        crowd(cluster, server, shape) as (load, _opened),
    ):
        taken = await changes(server, load, fan, count=count)
        resident = rss_bytes(server.pid)
    at = _at(shape, taken)
    return [
        Figure("streams100k_rss_mib", resident / _MIB, at),
        Figure("streams100k_last_ms", last_ms(taken), at),
    ]


def _allow_files(count: int) -> None:
    """Lets this process and those that it starts open so many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        if hard != resource.RLIM_INFINITY and hard < count:
            raise BenchError(f"{count} open files are needed and {hard} allowed (ulimit -Hn)")
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def _at(shape: Crowd, taken: list[Change]) -> dict[str, object]:
    return {
        "streams": shape.streams,
        "connections": shape.connections,
        "endpoints": shape.endpoints,
        "changes": len(taken),
    }
