"""Identity besieged: calls made to use up its memory, from a process of their own, while good
callers ask for certificates.

    python -m bench.identity_siege                      # a plain process beside an API server
    python -m bench.identity_siege --engine grpcio      # on the other engine
    python -m bench.identity_siege --pod                # in its pod, with the manifests' limit

In a pod the besieger has a network namespace, and so an address, of its own, as another pod would.
That needs root and installs as `linkerd run` does, in a cluster under build/bench. The bench fails
when a good call is not answered, when the process is ended, and when it takes over 200 MiB.
"""

import asyncio
import json
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

import click
import grpc
import grpc.aio

from bench import figures, identity, siege_net
from bench.figures import Figure
from bench.processes import ROOT, BenchError, rss_bytes
from linkerd.delivery.install import install
from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.node import put_on_node
from linkerd.kube.client import KubeClient
from linkerd.local.cluster import LocalCluster
from linkerd.local.progress import choose_progress
from linkerd.mesh.labels import CONTROL_PLANE_COMPONENT
from linkerd.stubs.proxy.identity_pb2 import CertifyRequest
from tests.support.certificates import Credentials

MAX_RSS: Final = 200 << 20
SECONDS: Final = 120.0
IN_FLIGHT: Final = 1_310
_EVERY: Final = 0.25  # seconds between two good calls
_PATIENCE: Final = 10.0  # seconds until a proxy asks again
_TRIES: Final = 3
_SAMPLE: Final = 0.2  # seconds between two looks at the memory


@dataclass(frozen=True, slots=True)
class Force:
    """How it is besieged: for so long, with so many calls at once, of these kinds (none: all)."""

    seconds: float
    in_flight: int
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Besieged:
    """A running identity. `rss` is its resident memory in bytes; `within` goes before the command
    of who besieges it."""

    address: str
    rss: Callable[[], Awaitable[int]]
    within: Sequence[str] = ()


@dataclass
class Good:
    """What became of good calls. `late` ones were granted only when they were made again."""

    granted: int = 0
    late: int = 0
    refused: int = 0
    reasons: set[str] = field(default_factory=set)
    waits_ms: list[float] = field(default_factory=list)

    def worst_ms(self) -> float:
        """How long the slowest of those that were granted at once took."""
        return max(self.waits_ms, default=0.0)

    def p99_ms(self) -> float:
        """The slowest in 100."""
        waits = sorted(self.waits_ms)
        return waits[int(0.99 * (len(waits) - 1))] if waits else 0.0


@dataclass(frozen=True, slots=True)
class Siege:
    """What came of it. `hostile` has the ends of the besieger's calls: counts by kind and status.
    Memory in bytes."""

    good: Good
    hostile: dict[str, dict[str, int]]
    before: int
    most: int
    after: int


async def besieged(there: Besieged, requests: Sequence[bytes], force: Force) -> Siege:
    """Runs the siege."""
    before = await there.rss()
    good, sampled = Good(), [before]
    callers = [
        asyncio.create_task(_ask(there.address, requests, good)),
        asyncio.create_task(_sample(there, sampled)),
    ]
    try:
        hostile = await _besiege(there, requests[0], force)
    finally:
        for caller in callers:
            caller.cancel()
        await asyncio.wait(callers)
    for caller in callers:
        if not caller.cancelled():
            caller.result()
    return Siege(good, hostile, before, max(sampled), await there.rss())


async def _besiege(there: Besieged, request: bytes, force: Force) -> dict[str, dict[str, int]]:
    asked = CertifyRequest.FromString(request)
    command = [
        *there.within, sys.executable, "-m", "bench.siege_calls", there.address,
        str(force.seconds), str(force.in_flight), *force.kinds,
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # gRPC core's, on every connection that ends
        cwd=ROOT,
    )
    what = {"identity": asked.identity, "csr": asked.certificate_signing_request.hex()}
    try:
        output, _ = await process.communicate(json.dumps(what).encode())
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise BenchError(f"the besieger ended with status {process.returncode}")
    hostile: dict[str, dict[str, int]] = json.loads(output)
    return hostile


async def _ask(address: str, requests: Sequence[bytes], good: Good) -> None:
    """Calls at a steady rate, until cancelled; calls under way are finished."""
    async with grpc.aio.insecure_channel(address) as channel, asyncio.TaskGroup() as calls:
        method: Any = channel.unary_unary(identity.METHOD)
        number = 0
        try:
            while True:
                calls.create_task(_call(method, requests[number % len(requests)], good))
                number += 1
                await asyncio.sleep(_EVERY)
        except asyncio.CancelledError:
            pass


async def _call(method: Any, request: bytes, good: Good) -> None:
    for attempt in range(_TRIES):
        began = time.monotonic()
        try:
            await method(request, timeout=_PATIENCE)
        except grpc.aio.AioRpcError as error:
            good.reasons.add(f"{error.code().name}: {error.details()}")
            await asyncio.sleep(1)
            continue
        if attempt:
            good.late += 1
        else:
            good.granted += 1
            good.waits_ms.append((time.monotonic() - began) * 1e3)
        return
    good.refused += 1


async def _sample(there: Besieged, sampled: list[int]) -> None:
    while True:
        sampled.append(await there.rss())
        await asyncio.sleep(_SAMPLE)


@asynccontextmanager
async def process_of(
    kubeconfig: Path, logs: Path, flags: Sequence[str] = ()
) -> AsyncIterator[Besieged]:
    """Identity as a plain process."""
    with tempfile.TemporaryDirectory() as directory:
        credentials = Credentials.make(identity.DOMAIN)
        place = Path(directory)
        async with identity.serving(kubeconfig, credentials, place, logs, flags) as server:

            async def rss() -> int:
                return rss_bytes(server.pid)

            yield Besieged(server.address, rss)


@dataclass(frozen=True, slots=True)
class _Pod:
    """Identity's pod."""

    kubectl: Kubectl

    def facts(self) -> tuple[str, int]:
        """Its address, and how often its container was started again."""
        label = f"{CONTROL_PLANE_COMPONENT}=identity"
        (pod,) = self.kubectl.list("pods", "linkerd", label)
        (status,) = pod["status"]["containerStatuses"]
        return str(pod["status"]["podIP"]), int(status["restartCount"])


async def in_pod(force: Force) -> Siege:
    """The siege of a pod. Raises BenchError when it was started again."""
    cluster, progress = LocalCluster(ROOT / "build" / "bench" / "siege"), choose_progress()
    try:
        await asyncio.to_thread(cluster.up, progress)
        images = await asyncio.to_thread(put_on_node, ROOT, cluster, progress)
        kubectl = Kubectl(cluster.kubeconfig)
        await asyncio.to_thread(install, ROOT, kubectl, images, progress, demo=False)
        pod = _Pod(kubectl)
        host, restarts = pod.facts()
        async with await KubeClient.connect(
            cluster.kubeconfig, user_agent="linkerd-py-bench"
        ) as client:
            requests = await identity.certify_requests(client, identity.WORKLOADS)
        with siege_net.namespace() as within:
            there = Besieged(f"{host}:8080", lambda: _resident(f"{host}:9990"), within)
            siege = await besieged(there, requests, force)
        if pod.facts() != (host, restarts):
            raise BenchError("the pod, or its container, was started again")
        return siege
    finally:
        await asyncio.to_thread(cluster.down)


async def _resident(admin: str) -> int:
    """What the process says of itself; its last word when it does not answer."""
    return await asyncio.to_thread(_read_resident, admin)


def _read_resident(admin: str) -> int:
    with urlopen(f"http://{admin}/metrics", timeout=5) as page:
        text = page.read().decode()
    found = re.search(r"^process_resident_memory_bytes (\S+)$", text, re.MULTILINE)
    if found is None:
        raise BenchError("/metrics does not tell the resident memory")
    return int(float(found[1]))


async def _run(force: Force, engine: str, pod: bool) -> list[Figure]:
    if pod:
        siege = await in_pod(force)
    else:
        logs = ROOT / "build" / "bench" / "logs"
        async with identity.own_cluster() as kubeconfig:
            async with await KubeClient.connect(
                kubeconfig, user_agent="linkerd-py-bench"
            ) as client:
                requests = await identity.certify_requests(client, identity.WORKLOADS)
            async with process_of(kubeconfig, logs, [f"--grpc-engine={engine}"]) as there:
                siege = await besieged(there, requests, force)
    _report(siege)
    at = {"seconds": force.seconds, "in_flight": force.in_flight}
    return [
        Figure("certify_siege_rss_mib", siege.most / 2**20, at),
        Figure("certify_siege_unanswered", siege.good.refused, at),
        Figure("certify_siege_p99_ms", siege.good.p99_ms(), at),
    ]


def _report(siege: Siege) -> None:
    for kind, ends in siege.hostile.items():
        print(f"{kind:24}", *(f"{status} {count}" for status, count in sorted(ends.items())))
    good = siege.good
    print(
        f"good calls: {good.granted} granted at once (p99 {good.p99_ms():.0f} ms, worst "
        f"{good.worst_ms():.0f} ms), {good.late} when made again, {good.refused} never"
    )
    for reason in sorted(good.reasons):
        print(f"  {reason}")
    print(f"MiB: before {siege.before >> 20}, most {siege.most >> 20}, after {siege.after >> 20}")


@click.command()
@click.option("--seconds", default=SECONDS, show_default=True, help="How long.")
@click.option("--in-flight", default=IN_FLIGHT, show_default=True, help="Hostile calls at once.")
@click.option("--kind", "kinds", multiple=True, help="Of hostile calls; repeat it. All by default.")
@click.option("--engine", default="h2", show_default=True, help="Of a plain process.")
@click.option("--pod", is_flag=True, help="Besiege a pod instead of a plain process.")
def main(seconds: float, in_flight: int, kinds: tuple[str, ...], engine: str, pod: bool) -> None:
    """Besiege identity, and write build/bench.json."""
    taken = asyncio.run(_run(Force(seconds, in_flight, kinds), engine, pod))
    figures.write(ROOT / "build" / "bench.json", taken)
    print(figures.table(taken))
    rss, refused, _ = (figure.value for figure in taken)
    if refused or rss > MAX_RSS / 2**20:
        sys.exit(1)


if __name__ == "__main__":
    main()
