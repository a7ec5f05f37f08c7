"""A cluster of the size that Kubernetes itself ends at: 10,000 services and 150,000 pods.

What an API server would say of them is generated page by page, and goes through the reflectors'
decoding into destination's index, in a process of its own: no API server of this size fits beside
it. Alone: `python -m bench.scale`. Through a real one, with fewer pods, and a service that is
started beside it: `python -m bench.scale --api-server --services 1000`.
"""

import asyncio
import gc
import json
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import msgspec
import psutil
from prometheus_client import CollectorRegistry

from bench import containers, dataset, destination, seed
from bench.cluster import Cluster
from bench.dataset import Item, Member, Shape
from bench.figures import Figure, table
from bench.processes import ROOT, BenchError, rss_bytes, settled
from linkerd.kube.client import KubeClient
from linkerd.kube.decode import decode_page
from linkerd.kube.intake import Intake
from linkerd.kube.limits import AT_HOME
from linkerd.kube.reflector import parts
from linkerd.kube.reflector_metrics import ReflectorMetrics
from linkerd.local.cluster import LocalCluster
from linkerd.local.progress import choose_progress
from linkerd.runtime.gc import give_back_memory
from linkerd.runtime.settings import load
from services.destination.app import Settings, make_index, mesh_of
from services.destination.index import Index, Kind
from services.destination.resources import resources

LIMITS = Shape(
    namespaces=100, services_per_namespace=100, pods_per_service=15, nodes=5_000, fans=()
)
_FLAGS = ("--cluster-domain=cluster.local", "--identity-trust-domain=cluster.local")
_PAGE = AT_HOME.page
_CONTAINERS = msgspec.Raw(msgspec.json.encode([containers.app(dataset.PORT), containers.proxy()]))


class _Reader:
    """Takes pages in as reflectors do, and counts the CPU that this takes."""

    def __init__(self) -> None:
        settings = load(Settings, _FLAGS, {}, prog="bench")
        self._index: Index = make_index(settings, mesh_of(settings))
        meter = ReflectorMetrics(CollectorRegistry()).of("any", "")
        self._intakes = {
            kind: Intake(resource, meter) for kind, resource in resources(slices=True).items()
        }
        self.cpu_seconds = 0.0

    async def take(self, kind: Kind, pages: Iterable[bytes]) -> int:
        """A whole list; how many objects are known of it then."""
        intake, listener = self._intakes[kind], self._index.listener(kind)
        intake.begin_list()
        for page in pages:
            begun = time.process_time()
            for part in parts(decode_page(page).items or ()):
                listener(intake.take_items(part))
                await asyncio.sleep(0)
            self.cpu_seconds += time.process_time() - begun
        intake.end_list("1")
        return len(intake.objects)


async def run(shape: Shape = LIMITS) -> list[Figure]:
    """The figures of one process; it should have done little before."""
    reader = _Reader()
    lists = {
        Kind.NODE: _nodes(shape),
        Kind.SERVICE: (dataset.make_service(m.namespace, m.app) for (m, *_) in _groups(shape)),
        Kind.REPLICA_SET: (
            dataset.make_replica_set(m, len(g)) for g in _groups(shape) for m in g[:1]
        ),
        Kind.SLICE: (item for g in _groups(shape) for item in dataset.make_slices(g[0].app, g)),
        Kind.POD: (_pod(member) for group in _groups(shape) for member in group),
    }
    versions = count(1_000_000)
    gc.collect()
    before = psutil.Process().memory_info().rss
    known = {kind: await reader.take(kind, _pages(each, versions)) for kind, each in lists.items()}
    gc.collect()
    give_back_memory()  # as a service does when it is ready
    grown = psutil.Process().memory_info().rss - before
    if (known[Kind.SERVICE], known[Kind.POD]) != (shape.services, shape.pods):
        raise BenchError(f"the index knows {known} of {shape}")
    at: dict[str, object] = {"services": shape.services, "pods": shape.pods, "nodes": shape.nodes}
    return [
        Figure("scale_ready_s", reader.cpu_seconds, at),
        Figure("scale_bytes_per_pod", grown / shape.pods, at),
    ]


async def run_apart() -> list[Figure]:
    """The same in a new process, whose memory is nothing else's."""
    command = (sys.executable, "-m", "bench.scale", "--json")
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise BenchError(f"{' '.join(command[1:])} ended with status {process.returncode}")
    return [Figure(**figure) for figure in json.loads(said)]


def _groups(shape: Shape) -> Iterator[list[Member]]:
    """The pods of each service."""
    size = shape.pods_per_service
    for service in range(shape.services):
        yield [Member(shape, pod) for pod in range(service * size, (service + 1) * size)]


def _nodes(shape: Shape) -> Iterator[Item]:
    return (item for item in dataset.first_wave(shape) if item.path == dataset.NODES)


def _pod(member: Member) -> Item:
    body = dataset.make_pod(member)
    body["spec"]["containers"] = _CONTAINERS
    path = dataset.collection(member.namespace, "pods")
    return Item(path, body, dataset.pod_status(member))


def _pages(items: Iterator[Item], versions: Iterator[int]) -> Iterator[bytes]:
    """Lists as an API server sends them."""
    while page := [_stored(item, next(versions)) for item in islice(items, _PAGE)]:
        yield msgspec.json.encode({"metadata": {"resourceVersion": "1"}, "items": page})


def _stored(item: Item, version: int) -> msgspec.Raw:
    """The object's bytes, with what the API server adds. One at a time: what it takes to make a
    page at once would stay in the process's memory, between what is measured."""
    _, _, place = item.path.partition("/namespaces/")
    body = dict(item.body)
    body["metadata"] = {
        **body["metadata"],
        "namespace": place.partition("/")[0],
        "uid": f"{version:08x}-1111-4222-8333-{version * 7919 % (1 << 48):012x}",
        "resourceVersion": str(version),
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    if item.status is not None:
        body["status"] = item.status
    return msgspec.Raw(msgspec.json.encode(body))


async def run_beside_api_server(services: int) -> list[tuple[str, float]]:
    """A real API server with so many services, and destination beside it: what it takes."""
    shape = Shape(
        namespaces=services // 100, services_per_namespace=100, pods_per_service=15, fans=()
    )
    progress = choose_progress()
    (ROOT / "build").mkdir(exist_ok=True)
    with TemporaryDirectory(dir=ROOT / "build") as state:
        local = LocalCluster(Path(state) / "cluster", api_only=True)
        try:
            await asyncio.to_thread(local.up, progress)
            async with await KubeClient.connect(local.kubeconfig, user_agent="bench") as client:
                where = Cluster(local.kubeconfig, client, shape)
                await seed.seed_definitions(client)
                _, empty = await _started(where, Path(state) / "empty.log")
                with progress.step(f"{shape.pods:,} pods") as detail:
                    await seed.seed(client, shape, detail)
                ready, full = await _started(where, Path(state) / "full.log")
        finally:
            await asyncio.to_thread(local.down)
    return [
        ("pods", shape.pods),
        ("ready_s", ready),
        ("rss_mib", full / 2**20),
        ("bytes_per_pod", (full - empty) / shape.pods),
    ]


async def _started(where: Cluster, log: Path) -> tuple[float, int]:
    """Seconds to ready, and resident memory then."""
    async with destination.serve(where, log) as server:
        await settled(server.pid)
        return server.ready_seconds, rss_bytes(server.pid)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--api-server", is_flag=True, help="Through a real API server, with fewer pods.")
@click.option(
    "--services", default=1000, show_default=True, help="Of 15 pods each, with --api-server."
)
def main(*, as_json: bool, api_server: bool, services: int) -> None:
    """Take in a cluster of the size that Kubernetes ends at."""
    if api_server:
        for name, value in asyncio.run(run_beside_api_server(services)):
            print(f"{name}: {value:,.1f}")
        return
    figures = asyncio.run(run())
    print(json.dumps([asdict(figure) for figure in figures]) if as_json else table(figures))


if __name__ == "__main__":
    main()
