"""1,000 streams on a service of 1,000 endpoints, opened at once by clients that decode the answer.

The same load that upstream was measured with: wall time until every client has read and decoded
its first message, the server's CPU for that, one change until all have it, and memory afterwards.
Each repetition is a new process of the service; figures are medians over them.
"""

import statistics
from pathlib import Path

from bench import destination
from bench.cluster import Cluster
from bench.fanout import Change, Crowd, Opened, changes, crowd, last_ms
from bench.figures import Figure
from bench.processes import BenchError
from bench.seed import Fan

SHAPE = Crowd(streams=1000, connections=20, endpoints=1000)


async def run(
    cluster: Cluster, logs: Path, *, shape: Crowd = SHAPE, repeats: int = 3, count: int = 6
) -> list[Figure]:
    """Medians over `repeats` processes, of `count` changes each. Raises BenchError when a client
    did not decode every endpoint."""
    fan = Fan(cluster.client, shape.endpoints)
    await fan.restore()
    openings: list[Opened] = []
    taken: list[Change] = []
    for index in range(repeats):
        async with (
            destination.serve(cluster, logs / f"get1000-{index}.log") as server,
            crowd(cluster, server, shape, decode=True) as (load, opened),
        ):
            if opened.first.endpoints != shape.streams * shape.endpoints:
                raise BenchError(f"clients decoded {opened.first.endpoints} endpoints in all")
            openings.append(opened)
            taken += await changes(server, load, fan, count=count)
    return _figures(shape, openings, taken)


def _figures(shape: Crowd, openings: list[Opened], taken: list[Change]) -> list[Figure]:
    at = {
        "streams": shape.streams,
        "connections": shape.connections,
        "endpoints": shape.endpoints,
        "repeats": len(openings),
    }
    median = statistics.median
    first = {
        "bytes each": openings[0].first.bytes // shape.streams,
        "client CPU s": median(opened.first.client_cpu_ms for opened in openings) / 1e3,
    }
    memory = median(opened.memory_bytes for opened in openings)
    wall = median(opened.first.last_ms for opened in openings)
    return [
        Figure("get1000_first_all_s", wall / 1e3, {**at, **first}),
        Figure("get1000_first_cpu_s", median(each.cpu_seconds for each in openings), at),
        Figure("get1000_change_ms", last_ms(taken), {**at, "changes": len(taken)}),
        Figure("get1000_kib_per_stream", memory / 1024 / shape.streams, at),
    ]
