"""`python -m bench`: run the benches, print the table, write build/bench.json."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import click
import psutil

from bench import (
    change_cost,
    churn,
    cluster,
    extremes,
    fanout_figures,
    figures,
    first_answer,
    get1000,
    hostnames,
    huge_service,
    identity,
    policy_inbound,
    policy_outbound,
    relist,
    rolling,
    scale,
    startup,
    yardsticks,
)
from bench.fanout import Crowd
from bench.figures import Figure
from bench.processes import ROOT, BenchError
from linkerd.local.errors import LocalError
from linkerd.local.progress import Progress, choose_progress


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for."""

    streams: int
    connections: int
    churn_seconds: float
    logs: Path
    progress: Progress


_BUSY = 15.0  # percent of all CPUs

Bench = Callable[[cluster.Cluster, Options], Awaitable[list[Figure]]]


async def _peer(_: cluster.Cluster, options: Options) -> list[Figure]:
    return await yardsticks.peer(streams=options.streams, connections=options.connections)


async def _engine(_: cluster.Cluster, options: Options) -> list[Figure]:
    return await yardsticks.engine(streams=options.streams, connections=options.connections)


async def _grpcio(_: cluster.Cluster, options: Options) -> list[Figure]:
    return await yardsticks.grpcio(streams=options.streams, connections=options.connections)


async def _startup(where: cluster.Cluster, options: Options) -> list[Figure]:
    return await startup.run(where, options.logs)


async def _fanout(where: cluster.Cluster, options: Options) -> list[Figure]:
    shape = Crowd(options.streams, options.connections)
    return await fanout_figures.run(where, options.logs, shape)


async def _spread(where: cluster.Cluster, options: Options) -> list[Figure]:
    shape = Crowd(options.streams, options.connections, spread=True)
    return await fanout_figures.run(where, options.logs, shape)


async def _conn5000(where: cluster.Cluster, options: Options) -> list[Figure]:
    return await extremes.connections(where, options.logs)


async def _streams100k(where: cluster.Cluster, options: Options) -> list[Figure]:
    return await extremes.streams(where, options.logs)


async def _first_answer(where: cluster.Cluster, options: Options) -> list[Figure]:
    return await first_answer.run(where, options.logs)


async def _get1000(where: cluster.Cluster, options: Options) -> list[Figure]:
    return await get1000.run(where, options.logs)


async def _hostnames(_where: cluster.Cluster, _options: Options) -> list[Figure]:
    return await asyncio.to_thread(hostnames.run)


async def _huge_service(_where: cluster.Cluster, _options: Options) -> list[Figure]:
    return await asyncio.to_thread(huge_service.run)


async def _scale(_where: cluster.Cluster, _options: Options) -> list[Figure]:
    return await scale.run_apart()


async def _relist(where: cluster.Cluster, options: Options) -> list[Figure]:
    return await relist.run(where, options.logs, Crowd(options.streams, options.connections))


async def _rolling(where: cluster.Cluster, options: Options) -> list[Figure]:
    return await rolling.run(where, options.logs, options.progress)


async def _churn(where: cluster.Cluster, options: Options) -> list[Figure]:
    return await churn.run(where, options.logs, churn.Churn(seconds=options.churn_seconds))


async def _change_cost(where: cluster.Cluster, options: Options) -> list[Figure]:
    listeners = [n for n in change_cost.LISTENERS if n <= options.streams]
    return await change_cost.run(where, options.logs, options.progress, listeners=listeners)


async def _identity(where: cluster.Cluster, options: Options) -> list[Figure]:
    return await identity.run(where.kubeconfig, where.client, options.logs, calls=identity.CALLS)


async def _policy(_where: cluster.Cluster, options: Options) -> list[Figure]:
    return await policy_inbound.run(
        options.logs, options.progress, streams=options.streams, connections=options.connections
    )


async def _policy_outbound(where: cluster.Cluster, options: Options) -> list[Figure]:
    shape = Crowd(options.streams, options.connections)
    return await policy_outbound.run(where, options.logs, shape)


BENCHES: Mapping[str, Bench] = {
    "startup": _startup,
    "peer": _peer,
    "engine": _engine,
    "grpcio": _grpcio,
    "fanout": _fanout,
    "spread": _spread,
    "conn5000": _conn5000,
    "streams100k": _streams100k,
    "first-answer": _first_answer,
    "get1000": _get1000,
    "change-cost": _change_cost,
    "hostnames": _hostnames,
    "huge-service": _huge_service,
    "scale": _scale,
    "relist": _relist,
    "rolling": _rolling,
    "churn": _churn,
    "identity": _identity,
    "policy": _policy,
    "policy-outbound": _policy_outbound,
}


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(BENCHES)), help="Run just these.")
@click.option("--streams", default=10_000, show_default=True, help="Streams of the fan-out.")
@click.option("--connections", default=20, show_default=True, help="Connections they share.")
@click.option(
    "--churn-seconds", default=120.0, show_default=True, help="How long endpoints come and go."
)
@click.option(
    "--kubeconfig",
    type=click.Path(exists=True, path_type=Path),
    help="Use this API server instead of one that is started for the bench and kept under "
    "build/bench. 1,000 services and 10,000 pods are written to it: let it have no controllers.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=ROOT / "build" / "bench.json",
    show_default=True,
    help="Where the figures go; those not measured now keep their last values.",
)
def main(
    only: tuple[str, ...],
    streams: int,
    connections: int,
    churn_seconds: float,
    kubeconfig: Path | None,
    out: Path,
) -> None:
    """Measure our services beside a real API server, against goals and upstream's figures."""
    logs = out.parent / "bench" / "logs"
    options = Options(streams, connections, churn_seconds, logs, choose_progress())
    taken: list[Figure] = []
    try:
        asyncio.run(_run(only or tuple(BENCHES), options, kubeconfig, taken))
    except* (BenchError, LocalError) as errors:
        raise SystemExit("\n".join(map(str, errors.exceptions))) from None
    finally:  # what was measured before a failure is worth keeping
        figures.write(out, taken)
    print(figures.table(taken))
    if (streams, connections) != (10_000, 20):
        print("\nGoals and upstream's figures are for 10,000 streams on 20 connections.")
    print(f"\nwritten to {out}")


async def _run(
    names: tuple[str, ...], options: Options, kubeconfig: Path | None, taken: list[Figure]
) -> None:
    """Adds to `taken` what each bench measures, and how busy the machine was before it."""
    async with cluster.seeded(kubeconfig, options.progress) as where:
        for name in names:
            busy = await asyncio.to_thread(psutil.cpu_percent, 1.0)
            if busy > _BUSY:
                options.progress.note(
                    f"The machine is {busy:.0f}% busy with other things: times will be too long"
                )
            with options.progress.step(f"Bench {name}"):
                measured = await BENCHES[name](where, options)
            taken += [replace(figure, at={**figure.at, "busy": busy}) for figure in measured]


if __name__ == "__main__":
    main()
