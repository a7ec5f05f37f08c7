"""How long one new stream waits for its first answer, for services of different sizes."""

import statistics
from pathlib import Path

from bench import destination
from bench.cluster import Cluster
from bench.fanout import Crowd
from bench.figures import Figure
from bench.load import Load
from bench.processes import Server


async def run(cluster: Cluster, logs: Path, *, repeats: int = 15) -> list[Figure]:
    """Medians over streams that come alone, each the only one on its service."""
    async with destination.serve(cluster, logs / "first-answer.log") as server:
        return [await _measure(cluster, server, endpoints, repeats) for endpoints in (100, 1000)]


async def _measure(cluster: Cluster, server: Server, endpoints: int, repeats: int) -> Figure:
    shape = Crowd(streams=1, connections=1, endpoints=endpoints)
    times, size = [], 0
    for _ in range(repeats):
        async with Load.open(
            server.address, shape.requests(cluster.shape), streams=1, connections=1
        ) as load:
            first = await load.first()
        times.append(first.last_ms)
        size = first.bytes
    at = {"endpoints": endpoints, "bytes": size, "repeats": repeats}
    return Figure(f"first_answer_{endpoints}_ms", statistics.median(times), at)
