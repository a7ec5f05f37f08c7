"""How soon destination is in step when its API server is back, and what that server has of it.

    python -m bench.returns                  # 20 returns of an API server that was killed
    python -m bench.returns --kind hole      # ... that had vanished without a word

A reflector is in step when it has heard of the API server since its return; the return is when
`/readyz` says so. Connections are counted by a proxy in between, which resets them while nobody is
behind it.
"""

import asyncio
import re
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from urllib.request import urlopen

import click

from bench import processes
from bench.destination import ARGUMENTS
from bench.processes import BenchError, Server
from linkerd.kube.client import KubeClient
from linkerd.kube.errors import KubeError
from linkerd.local.cluster import LocalCluster
from tests.support.cut import CutProxy, api_server_of, kubeconfig_through

_AWAY = {"kill": (3.0, 7.0), "hole": (20.0, 40.0)}  # seconds that an outage lasts
_PATIENCE = 120.0  # seconds
_AGE = re.compile(r"^kube_reflector_age_seconds\{(.*)\} (\S+)$", re.MULTILINE)
_WATCHES = re.compile(r"^kube_reflector_watches_total\{(.*)\} (\S+)$", re.MULTILINE)


@dataclass
class Results:
    """Of each return: seconds until the last reflector was in step, and connections meanwhile."""

    seconds: list[float] = field(default_factory=list)
    away: list[float] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)

    def table(self) -> Mapping[str, float]:
        """What there is to say."""
        ordered = sorted(self.seconds)
        return {
            "returns": len(ordered),
            "in step, median s": round(statistics.median(ordered), 2),
            "in step, worst s": round(ordered[-1], 2),
            "later than 2 s": sum(seconds > 2 for seconds in ordered),
            "away, s in all": round(sum(self.away), 1),
            "connections in all": sum(self.connections),
            "connections a second": round(sum(self.connections) / sum(self.away), 2),
        }


async def run(kind: str, returns: int, folder: Path) -> Results:
    """Takes the API server away and gives it back so many times."""
    results, random = Results(), Random(1)
    cluster = LocalCluster(folder / "cluster", api_only=True)
    await asyncio.to_thread(cluster.up)
    try:
        async with (
            CutProxy(*api_server_of(cluster.kubeconfig)) as proxy,
            await KubeClient.connect(cluster.kubeconfig, user_agent="bench") as client,
            processes.serve(
                "destination",
                kubeconfig_through(cluster.kubeconfig, proxy, folder),
                ARGUMENTS,
                log=folder / "destination.log",
            ) as server,
        ):
            watches = _series(_WATCHES, await _metrics(server))
            kinds = {kind for kind, count in watches.items() if count}  # the others are not there
            for _ in range(returns):
                before, seconds = proxy.accepted, random.uniform(*_AWAY[kind])
                if kind == "kill":
                    await asyncio.to_thread(cluster.stop, "kube-apiserver")
                    begun = time.monotonic()
                    await asyncio.sleep(seconds)
                    starting = asyncio.create_task(
                        asyncio.to_thread(cluster.start, "kube-apiserver")
                    )
                    back = await _back(client)
                else:
                    proxy.swallow()
                    begun = time.monotonic()
                    await asyncio.sleep(seconds)
                    proxy.heal()
                    starting, back = None, time.monotonic()
                results.away.append(back - begun)
                results.seconds.append(await _in_step(server, kinds, begun, back))
                results.connections.append(proxy.accepted - before)
                if starting is not None:
                    await starting
                click.echo(f"away {back - begun:5.1f} s, in step after {results.seconds[-1]:.2f} s")
                await asyncio.sleep(5.5)  # so that no outage looks like the rest of the last
    finally:
        await asyncio.to_thread(cluster.down, delete=True)
    return results


async def _back(client: KubeClient) -> float:
    """When the API server said that it is ready, in monotonic seconds."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            await client.request("GET", "/readyz", timeout=1.0)
        except KubeError:
            await asyncio.sleep(0.02)
        else:
            return time.monotonic()
    raise BenchError("the API server does not come back")


async def _in_step(server: Server, kinds: set[str], begun: float, back: float) -> float:
    """Seconds after `back` at which the last of the reflectors had heard of the server again; none
    heard of it from `begun` on."""
    while time.monotonic() < back + _PATIENCE:
        asked = time.monotonic()
        ages = _series(_AGE, await _metrics(server))
        if all(ages[kind] < asked - begun for kind in kinds):
            return max(0.0, asked - back - min(ages[kind] for kind in kinds))
        await asyncio.sleep(0.02)
    raise BenchError(f"not in step after {_PATIENCE:.0f} s: {server.log}")


def _series(pattern: re.Pattern[str], text: str) -> dict[str, float]:
    """The values of a metric, by labels."""
    return {labels: float(value) for labels, value in pattern.findall(text)}


async def _metrics(server: Server) -> str:
    def read() -> str:
        with urlopen(f"http://{server.admin}/metrics", timeout=5) as answer:  # ours
            return str(answer.read().decode())

    return await asyncio.to_thread(read)


@click.command()
@click.option("--kind", default="kill", type=click.Choice(list(_AWAY)), show_default=True)
@click.option("--returns", "count", default=20, show_default=True, help="How often it comes back.")
def main(kind: str, count: int) -> None:
    """Take the API server away and give it back, and print how soon all is in step."""
    with tempfile.TemporaryDirectory() as folder:
        results = asyncio.run(run(kind, count, Path(folder)))
    for name, value in results.table().items():
        print(f"{name:22} {value}")


if __name__ == "__main__":
    main()
