"""The headline figures of fan-out: one crowd, opened once, told of a series of changes."""

from pathlib import Path

from bench import destination
from bench.cluster import Cluster
from bench.fanout import Change, Crowd, Opened, changes, cpu_per_stream, crowd, last_ms
from bench.figures import Figure
from bench.seed import Fan


async def run(cluster: Cluster, logs: Path, shape: Crowd, *, count: int = 10) -> list[Figure]:
    """First answers, memory and changes; for clients that are spread, only the changes."""
    fan = Fan(cluster.client, shape.endpoints)
    await fan.restore()
    log = logs / ("fanout-spread.log" if shape.spread else "fanout.log")
    async with (
        destination.serve(cluster, log) as server,
        crowd(cluster, server, shape) as (load, opened),
    ):
        taken = await changes(server, load, fan, count=count)
    return _spread(shape, taken) if shape.spread else _figures(shape, opened, taken)


def _at(shape: Crowd, **more: object) -> dict[str, object]:
    return {
        "streams": shape.streams,
        "connections": shape.connections,
        "endpoints": shape.endpoints,
        **more,
    }


def _spread(shape: Crowd, taken: list[Change]) -> list[Figure]:
    at = _at(shape, changes=len(taken))
    return [Figure("fanout_spread_cpu_us_per_stream", cpu_per_stream(taken, shape.streams), at)]


def _figures(shape: Crowd, opened: Opened, taken: list[Change]) -> list[Figure]:
    at = _at(shape, changes=len(taken))
    write = sorted(change.write_ms for change in taken)[len(taken) // 2]
    per_stream = opened.first.bytes // shape.streams
    return [
        Figure("fanout_cpu_us_per_stream", cpu_per_stream(taken, shape.streams), at),
        Figure("fanout_kib_per_stream", opened.memory_bytes / 1024 / shape.streams, _at(shape)),
        Figure("fanout_last_ms", last_ms(taken), {**at, "of which API server ms": write}),
        Figure("first_all_s", opened.first.last_ms / 1e3, _at(shape, **{"bytes each": per_stream})),
        Figure("first_all_cpu_s", opened.cpu_seconds, _at(shape)),
    ]
