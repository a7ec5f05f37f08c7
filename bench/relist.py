"""Everything is listed again and nothing has changed: streams hear nothing of it."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from urllib.request import urlopen

from bench import destination
from bench.cluster import Cluster
from bench.expiring import ExpiringProxy
from bench.fanout import Crowd, changes, crowd
from bench.figures import Figure
from bench.processes import BenchError, Server, cpu_ns, settled
from bench.seed import Fan

_PATIENCE = 120.0  # seconds
_SERIES = re.compile(r"^kube_reflector_(lists|watches)_total\{.*\} (\S+)$", re.MULTILINE)


async def run(cluster: Cluster, logs: Path, shape: Crowd) -> list[Figure]:
    """Ends every watch with a 410, waits for all lists, and counts what streams got. Afterwards
    one change must reach them all, or nothing was measured: BenchError."""
    fan = Fan(cluster.client, shape.endpoints)
    await fan.restore()
    async with ExpiringProxy(cluster.client) as proxy:
        there = Cluster(proxy.kubeconfig(logs), cluster.client, cluster.shape)
        async with (
            destination.serve(there, logs / "relist.log") as server,
            crowd(there, server, shape) as (load, _),
        ):
            before, cpu = await load.status(), cpu_ns(server.pid)
            seconds, lists = await _relist(proxy, server)
            cpu = cpu_ns(server.pid) - cpu
            after = await load.status()
            await changes(server, load, fan, count=2)
    if after.open < shape.streams:
        raise BenchError(f"streams ended: {after.ended} {after.details}")
    at = {
        "streams": shape.streams,
        "pods": cluster.shape.pods,
        "lists": lists,
        "seconds": round(seconds, 2),
    }
    return [
        Figure("relist_messages", after.messages - before.messages, at),
        Figure("relist_cpu_s", cpu / 1e9, at),
    ]


async def _relist(proxy: ExpiringProxy, server: Server) -> tuple[float, int]:
    """How long it took until all was listed and the server rests, and how many lists it took."""
    before = await _counts(server)
    begun = time.monotonic()
    expired = proxy.expire()
    if not expired:
        raise BenchError("the server watches nothing")
    while True:
        now = await _counts(server)
        lists = now["lists"] - before["lists"]
        if lists >= expired and now["watches"] - before["watches"] >= expired:
            break  # a watch begins once its list has been taken in
        if time.monotonic() - begun > _PATIENCE:
            raise BenchError(f"only {lists} of {expired} kinds were listed again")
        await asyncio.sleep(0.05)
    await settled(server.pid)
    return time.monotonic() - begun, lists


async def _counts(server: Server) -> Mapping[str, int]:
    """Lists and watches that the server's reflectors have begun."""
    text = await asyncio.to_thread(_metrics, server.admin)
    found: Counter[str] = Counter()
    for name, value in _SERIES.findall(text):
        found[name] += round(float(value))
    return found


def _metrics(admin: str) -> str:
    with urlopen(f"http://{admin}/metrics") as page:
        text: str = page.read().decode()
    return text
