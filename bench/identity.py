"""Certify, with a real TokenReview for every certificate.

    python -m bench.identity [--calls N]       # an API server of its own, without the dataset
    python -m bench --only identity            # beside the others

The service runs as a plain process beside etcd and kube-apiserver; a Go program keeps 32 calls in
flight. All four share the machine's cores, so what is measured is the sum of what they need.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec

from bench import figures, load
from bench.figures import Figure
from bench.processes import ROOT, BenchError, Server, cpu_ns, rss_bytes, serve
from linkerd.kube.client import KubeClient
from linkerd.kube.errors import Conflict
from linkerd.local.cluster import LocalCluster
from linkerd.local.progress import choose_progress
from linkerd.mesh.names import IDENTITY_AUDIENCE, IdentityDomain
from linkerd.stubs.proxy.identity_pb2 import CertifyRequest
from tests.support.certificates import Credentials, make_csr

DOMAIN = IdentityDomain("linkerd", "cluster.local")
METHOD = "/io.linkerd.proxy.identity.Identity/Certify"
NAMESPACE = "bench-identity"
WORKLOADS = 50
IN_FLIGHT = 32
CALLS = 5_000
_WARM_UP = 500


class Report(msgspec.Struct, frozen=True):
    """What the caller printed: times in ms, failures by gRPC status."""

    calls: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    failed: dict[str, int]
    details: dict[str, str]
    client_cpu_ms: float


@dataclass(frozen=True, slots=True)
class Taken:
    """What one run cost the service."""

    report: Report
    cpu_ns: int
    growth_bytes: int
    rss_bytes: int


async def run(kubeconfig: Path, client: KubeClient, logs: Path, *, calls: int) -> list[Figure]:
    """Certificates a second, their latency, and what they cost the service."""
    requests = await certify_requests(client, WORKLOADS)
    with tempfile.TemporaryDirectory() as directory:
        credentials = Credentials.make(DOMAIN)
        async with serving(kubeconfig, credentials, Path(directory), logs) as server:
            await call(server, requests, calls=_WARM_UP)
            taken = await measure(server, requests, calls)
    if taken.report.failed:
        raise BenchError(f"calls failed: {taken.report.failed} {taken.report.details}")
    return _figures(taken)


def _figures(taken: Taken) -> list[Figure]:
    report = taken.report
    at = {"calls": report.calls, "in_flight": IN_FLIGHT, "workloads": WORKLOADS}
    return [
        Figure("certify_per_s", report.calls / report.seconds, at),
        Figure("certify_p50_ms", report.p50_ms, at),
        Figure("certify_p99_ms", report.p99_ms, at),
        Figure("certify_cpu_us", taken.cpu_ns / 1e3 / report.calls, at),
        Figure("certify_rss_mib", taken.rss_bytes / 2**20, at),
        Figure("certify_growth_mib", taken.growth_bytes / 2**20, at),
    ]


@contextlib.asynccontextmanager
async def serving(
    kubeconfig: Path,
    credentials: Credentials,
    directory: Path,
    logs: Path,
    flags: Sequence[str] = (),
) -> AsyncIterator[Server]:
    """The service, with the credentials as its files below `directory`."""
    issuer, bundle = credentials.write(directory)
    arguments = [
        f"--controller-namespace={DOMAIN.controller_namespace}",
        f"--identity-trust-domain={DOMAIN.trust_domain}",
        "--identity-scheme=linkerd.io/tls",
        f"--issuer={issuer}",
        f"--trust-anchors={bundle}",
        *flags,
    ]
    async with serve("identity", kubeconfig, arguments, log=logs / "identity.log") as server:
        yield server


async def measure(server: Server, requests: Sequence[bytes], calls: int) -> Taken:
    """The calls, and what the service used for them."""
    cpu, memory = cpu_ns(server.pid), rss_bytes(server.pid)
    report = await call(server, requests, calls=calls)
    after = rss_bytes(server.pid)
    return Taken(report, cpu_ns(server.pid) - cpu, after - memory, after)


async def call(
    server: Server, requests: Sequence[bytes], *, calls: int, rate: float = 0.0
) -> Report:
    """Makes so many calls, `rate` a second or, for 0, as many as there can be."""
    program = (await asyncio.to_thread(load.build))["caller"]
    process = await asyncio.create_subprocess_exec(
        str(program), f"-target={server.address}", f"-method={METHOD}", f"-calls={calls}",
        f"-in-flight={IN_FLIGHT}", f"-rate={rate}",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate(b"\n".join(each.hex().encode() for each in requests))
    if process.returncode:
        raise BenchError(f"the caller ended with status {process.returncode}")
    return msgspec.json.decode(output, type=Report)


async def certify_requests(client: KubeClient, workloads: int) -> list[bytes]:
    """Encoded requests of so many workloads, whose ServiceAccounts are made if need be."""
    await _create(client, "/api/v1/namespaces", NAMESPACE)
    return [await _certify_request(client, f"workload-{n}") for n in range(workloads)]


async def _certify_request(client: KubeClient, account: str) -> bytes:
    accounts = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
    await _create(client, accounts, account)
    spec = {"spec": {"audiences": [IDENTITY_AUDIENCE], "expirationSeconds": 24 * 3600}}
    answer = await client.request(
        "POST", f"{accounts}/{account}/token", body=msgspec.json.encode(spec)
    )
    identity = DOMAIN.workload(account, NAMESPACE)
    request = CertifyRequest(
        identity=identity,
        token=msgspec.json.decode(answer)["status"]["token"].encode(),
        certificate_signing_request=make_csr(identity, common_name=None),
    )
    return request.SerializeToString()


async def _create(client: KubeClient, path: str, name: str) -> None:
    with contextlib.suppress(Conflict):
        await client.request("POST", path, body=msgspec.json.encode({"metadata": {"name": name}}))


@contextlib.asynccontextmanager
async def own_cluster() -> AsyncIterator[Path]:
    """The kubeconfig of an API server that is kept under build/bench, without the dataset."""
    local = LocalCluster(ROOT / "build" / "bench" / "identity", api_only=True)
    try:
        await asyncio.to_thread(local.up, choose_progress())
        yield local.kubeconfig
    finally:
        await asyncio.to_thread(local.down)


async def _run_alone(calls: int, logs: Path) -> list[Figure]:
    async with own_cluster() as kubeconfig:
        client = await KubeClient.connect(kubeconfig, user_agent="linkerd-py-bench")
        async with client:
            return await run(kubeconfig, client, logs, calls=calls)


@click.command()
@click.option("--calls", default=CALLS, show_default=True, help="Certificates to ask for.")
def main(calls: int) -> None:
    """Measure Certify alone, and write build/bench.json."""
    taken = asyncio.run(_run_alone(calls, ROOT / "build" / "bench" / "logs"))
    figures.write(ROOT / "build" / "bench.json", taken)
    print(figures.table(taken))


if __name__ == "__main__":
    main()
