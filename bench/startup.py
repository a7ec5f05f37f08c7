"""From the start of the process to ready, and the memory that it then has."""

import statistics
from pathlib import Path

from bench import destination
from bench.cluster import Cluster
from bench.figures import Figure
from bench.processes import cpu_ns, rss_bytes, settled


async def run(cluster: Cluster, logs: Path, *, runs: int = 3) -> list[Figure]:
    """Medians over a few starts with the whole dataset in the API server."""
    times, sizes, costs = [], [], []
    for index in range(runs):
        async with destination.serve(cluster, logs / f"startup-{index}.log") as server:
            costs.append(cpu_ns(server.pid) / 1e9)
            await settled(server.pid)
            times.append(server.ready_seconds)
            sizes.append(rss_bytes(server.pid) / 2**20)
    at = {"services": cluster.shape.services, "pods": cluster.shape.pods, "runs": runs}
    return [
        Figure("ready_s", statistics.median(times), at),
        Figure("ready_rss_mib", statistics.median(sizes), at),
        Figure("ready_cpu_s", statistics.median(costs), at),
    ]
