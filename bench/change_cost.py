"""How the cost of one change grows: with listeners and changed endpoints, or with their product.

Measures every combination of service size, number of listeners and number of changed
endpoints, prints the costs, and fits them (see `least_squares`).
"""

import itertools
import statistics
from collections.abc import Sequence
from pathlib import Path

from bench import destination
from bench.cluster import Cluster
from bench.fanout import Crowd, changes, crowd
from bench.figures import Figure
from bench.least_squares import CLAIM, WIDER, Cell, Fit, fit
from bench.processes import Server
from bench.seed import Fan
from linkerd.local.progress import Progress

ENDPOINTS = (10, 100, 1000)
LISTENERS = (100, 1000, 10_000)
CHANGED = (1, 10)


async def run(
    cluster: Cluster,
    logs: Path,
    progress: Progress,
    *,
    listeners: Sequence[int] = LISTENERS,
    count: int = 10,
) -> list[Figure]:
    """The coefficients of both fits as figures; costs and formulas go to `progress`."""
    cells = await measure(cluster, logs, progress, listeners=listeners, count=count)
    claim, wider = fit(cells, CLAIM), fit(cells, WIDER)
    progress.note(describe("cost", claim))
    progress.note(describe("cost", wider))
    return _figures(claim, wider, {"cells": len(cells), "changes": count})


async def measure(
    cluster: Cluster,
    logs: Path,
    progress: Progress,
    *,
    endpoints: Sequence[int] = ENDPOINTS,
    listeners: Sequence[int] = LISTENERS,
    count: int,
) -> list[Cell]:
    """The cost of every combination, told to `progress` as it is found."""
    cells: list[Cell] = []
    async with destination.serve(cluster, logs / "change-cost.log") as server:
        for size, crowd_size in itertools.product(endpoints, listeners):
            for cell in await _measure(cluster, server, size, crowd_size, count):
                progress.note(_line(cell))
                cells.append(cell)
    return cells


async def _measure(
    cluster: Cluster, server: Server, endpoints: int, listeners: int, count: int
) -> list[Cell]:
    fan = Fan(cluster.client, endpoints)
    await fan.restore()
    shape = Crowd(streams=listeners, endpoints=endpoints)
    cells = []
    async with crowd(cluster, server, shape) as (load, _):
        for changed in CHANGED:
            # All endpoints of a small service at once would leave it empty: another message.
            changed = min(changed, endpoints - 1)
            taken = await changes(server, load, fan, count=count, changed=changed)
            cost = statistics.median(change.cpu_us for change in taken)
            cells.append(Cell(endpoints, listeners, changed, cost))
    return cells


def _line(cell: Cell) -> str:
    return (
        f"{cell.endpoints:>6,} endpoints {cell.listeners:>7,} listeners "
        f"{cell.changed:>3} changed: {cell.cost / 1e3:9.2f} ms CPU, "
        f"{cell.cost / cell.listeners:7.1f} us a listener"
    )


def describe(left: str, result: Fit) -> str:
    """The fitted formula in microseconds, with its errors."""
    terms = " + ".join(
        f"{value:.4g}" if name == "fixed" else f"{value:.4g}*{name}"
        for name, value in result.terms.items()
    )
    return (
        f"{left} = {terms} us (mean error {result.mean_error:.0%}, worst {result.worst_error:.0%})"
    )


def _figures(claim: Fit, wider: Fit, at: dict[str, object]) -> list[Figure]:
    at = {**at, "mean error": round(claim.mean_error, 3)}
    return [
        Figure("change_fixed_ms", claim.terms["fixed"] / 1e3, at),
        Figure("change_us_per_listener", claim.terms["listeners"], at),
        Figure("change_us_per_changed", claim.terms["changed"], at),
        Figure("change_ns_per_endpoint_listener", wider.terms["endpoints*listeners"] * 1e3, at),
    ]
