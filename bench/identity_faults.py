"""Identity in trouble: its issuer changes under load, and its API server goes away.

    python -m bench.identity_faults            # 20 changes at 200 calls a second; 2 minutes away

Tests run the same in small. Clients verify what they get: a leaf must be signed by the issuer that
comes with it, and that must be one that was whole and good when it was put there.
"""

import asyncio
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.request import urlopen

import click
import grpc
import grpc.aio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bench import figures, identity
from bench.figures import Figure
from bench.processes import ROOT, Server, rss_bytes
from linkerd.certificates import Authority, make_issuer
from linkerd.kube.client import KubeClient
from linkerd.stubs.proxy.identity_pb2 import CertifyResponse
from tests.support.certificates import Credentials
from tests.support.cut import CutProxy, api_server_of, kubeconfig_through

_INTERVAL = 0.05  # seconds between two looks at the files
_SETTLING = 6.0  # seconds until everybody is refused at once: two silent requests after another


class IssuerVolume:
    """The issuer's directory, changed as kubelet does it or by plain writes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number = 0
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)

    def swap(self, certificate: bytes, key: bytes) -> None:
        """Both files at once, by renaming a link."""
        self._number += 1
        dated, data = self._path / f"..{self._number}", self._path / "..data"
        dated.mkdir()
        (dated / "crt.pem").write_bytes(certificate)
        (dated / "key.pem").write_bytes(key)
        (self._path / "..data_tmp").symlink_to(dated.name)
        (self._path / "..data_tmp").rename(data)
        for name in ("crt.pem", "key.pem"):
            with suppress(FileExistsError):
                (self._path / name).symlink_to(f"..data/{name}")
        shutil.rmtree(self._path / f"..{self._number - 1}", ignore_errors=True)

    async def write(self, certificate: bytes, key: bytes) -> None:
        """One after the other, with a look in between, in the middle of a file."""
        file = self._path / "crt.pem"
        file.write_bytes(certificate[:200])
        await asyncio.sleep(_INTERVAL / 2)
        file.write_bytes(certificate)
        (self._path / "key.pem").write_bytes(key)


@dataclass
class Answers:
    """What clients got."""

    granted: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    details: dict[str, str] = field(default_factory=dict)
    issuers: set[bytes] = field(default_factory=set, repr=False)
    torn: int = 0
    refused_ms: list[float] = field(default_factory=list)
    last_granted: float = 0.0
    first_granted: float | None = None
    """Monotonic; of those since it was last set to None."""

    def refused_p99_ms(self) -> float:
        """How long refusals took, the slowest in 100."""
        taken = sorted(self.refused_ms)
        return taken[int(0.99 * (len(taken) - 1))] if taken else 0.0


class Clients:
    """Makes `rate` calls a second, however long they take, until told to stop."""

    def __init__(self, address: str, requests: Sequence[bytes], rate: float) -> None:
        self.answers = Answers()
        self._address = address
        self._requests = requests
        self._rate = rate

    async def run(self) -> None:
        """Runs until cancelled; calls under way are finished."""
        async with (
            grpc.aio.insecure_channel(self._address) as channel,
            asyncio.TaskGroup() as calls,
        ):
            method: grpc.aio.UnaryUnaryMultiCallable[bytes, CertifyResponse]
            method = channel.unary_unary(
                identity.METHOD, response_deserializer=CertifyResponse.FromString
            )
            began, number = time.monotonic(), 0
            with suppress(asyncio.CancelledError):
                while True:
                    calls.create_task(
                        self._call(method, self._requests[number % len(self._requests)])
                    )
                    number += 1
                    await asyncio.sleep(began + number / self._rate - time.monotonic())

    async def _call(
        self, method: "grpc.aio.UnaryUnaryMultiCallable[bytes, CertifyResponse]", request: bytes
    ) -> None:
        began = time.monotonic()
        try:
            response = await method(request, timeout=30)
        except grpc.aio.AioRpcError as error:
            self.answers.failed[error.code().name] += 1
            self.answers.details[error.code().name] = error.details() or ""
            self.answers.refused_ms.append((time.monotonic() - began) * 1e3)
            return
        self._note(response)

    def _note(self, response: CertifyResponse) -> None:
        answers = self.answers
        answers.granted += 1
        answers.last_granted = time.monotonic()
        answers.first_granted = answers.first_granted or answers.last_granted
        (issuer,) = response.intermediate_certificates
        answers.issuers.add(issuer)
        leaf = x509.load_der_x509_certificate(response.leaf_certificate)
        try:
            leaf.verify_directly_issued_by(x509.load_der_x509_certificate(issuer))
        except Exception:  # noqa: BLE001  # whatever it is, the answer does not hold together
            answers.torn += 1


@dataclass(frozen=True, slots=True)
class Rotated:
    """What came of a rotation under load."""

    answers: Answers
    strangers: int
    """Issuers in answers that never were whole and good in the files."""
    updated: int
    skipped: int


async def rotate(
    kubeconfig: Path, requests: Sequence[bytes], logs: Path, *, rate: float, changes: int
) -> Rotated:
    """The issuer changes so many times; every seventh is broken, in three ways."""
    with tempfile.TemporaryDirectory() as directory:
        credentials = Credentials.make(identity.DOMAIN)
        flags = [f"--reload-interval={_INTERVAL * 1e3:.0f}ms"]
        place = Path(directory)
        async with identity.serving(kubeconfig, credentials, place, logs, flags) as server:
            volume, good = IssuerVolume(place / "issuer"), {_der(credentials.issuer)}
            volume.swap(credentials.issuer.certificate_pem, credentials.issuer.key_pem)
            clients = Clients(server.address, requests, rate)
            load = asyncio.create_task(clients.run())
            for number in range(changes):
                await _change(server, volume, credentials.anchor, number, good)
            load.cancel()
            await asyncio.wait([load])
            numbers = _updates(server)
    return Rotated(clients.answers, len(clients.answers.issuers - good), *numbers)


async def _change(
    server: Server, volume: IssuerVolume, anchor: Authority, number: int, good: set[bytes]
) -> None:
    """Changes the files and returns when the service has said what it makes of them."""
    before = _updates(server)
    issuer = make_issuer(identity.DOMAIN, anchor)
    certificate, key = issuer.certificate_pem, issuer.key_pem
    broken = number % 7 == 3
    if broken:
        stranger = Credentials.make(identity.DOMAIN).issuer
        certificate, key = (
            (certificate, stranger.key_pem),
            (certificate[:-60], key),
            (stranger.certificate_pem, stranger.key_pem),
        )[number // 7 % 3]
    else:
        good.add(_der(issuer))
    if number % 2 or broken:
        volume.swap(certificate, key)
    else:
        await volume.write(certificate, key)
    while _updates(server)[broken] == before[broken]:  # noqa: ASYNC110  # another process decides
        await asyncio.sleep(_INTERVAL)


def _updates(server: Server) -> tuple[int, int]:
    """How often files were taken, and skipped."""
    with urlopen(f"http://{server.admin}/metrics") as page:
        text = page.read().decode()
    found = dict(
        re.findall(r'^identity_issuer_updates_total{result="(\w+)"} (\S+)$', text, re.MULTILINE)
    )
    return int(float(found["updated"])), int(float(found["skipped"]))


def _der(authority: Authority) -> bytes:
    return authority.certificate.public_bytes(Encoding.DER)


@dataclass(frozen=True, slots=True)
class Outage:
    """What came of an API server that was away."""

    answers: Answers
    """Of the time when it was away, once those had ended who asked before that was known."""
    growth_bytes: int
    recovery_seconds: float
    """From its return to the first certificate."""


async def outage(
    kubeconfig: Path,
    requests: Sequence[bytes],
    logs: Path,
    *,
    rate: float,
    seconds: float,
    how: Literal["cut", "stall"],
) -> Outage:
    """The API server goes away for a while: `cut` refuses connections, `stall` is silence."""
    host, port = api_server_of(kubeconfig)
    with tempfile.TemporaryDirectory() as directory:
        place, credentials = Path(directory), Credentials.make(identity.DOMAIN)
        async with CutProxy(host, port) as proxy:
            through = kubeconfig_through(kubeconfig, proxy, place)
            async with identity.serving(through, credentials, place, logs) as server:
                clients = Clients(server.address, requests, rate)
                load = asyncio.create_task(clients.run())
                await asyncio.sleep(1)
                if how == "cut":
                    await proxy.cut()
                else:
                    proxy.stall()
                await asyncio.sleep(_SETTLING)
                away = clients.answers = Answers()
                await asyncio.sleep(seconds / 4)  # until garbage is as much as it will ever be
                memory = rss_bytes(server.pid)
                await asyncio.sleep(seconds * 3 / 4)
                growth = rss_bytes(server.pid) - memory
                clients.answers = Answers()
                back = time.monotonic()
                proxy.heal()
                first = await _first_granted(clients)
                load.cancel()
                await asyncio.wait([load])
    return Outage(away, growth, first - back)


async def _first_granted(clients: Clients, limit: float = 30.0) -> float:
    async with asyncio.timeout(limit):
        while clients.answers.first_granted is None:  # noqa: ASYNC110  # answers come from other tasks
            await asyncio.sleep(0.01)
    return clients.answers.first_granted


async def _run(rate: float, changes: int, seconds: float) -> list[Figure]:
    logs = ROOT / "build" / "bench" / "logs"
    async with identity.own_cluster() as kubeconfig:
        async with await KubeClient.connect(kubeconfig, user_agent="linkerd-py-bench") as client:
            requests = await identity.certify_requests(client, identity.WORKLOADS)
        rotated = await rotate(kubeconfig, requests, logs, rate=rate, changes=changes)
        print(rotated)
        away = await outage(kubeconfig, requests, logs, rate=rate, seconds=seconds, how="cut")
        print(away)
    bad = rotated.answers.failed.total() + rotated.answers.torn + rotated.strangers
    return [
        Figure("certify_rotation_bad", bad, {"changes": changes, "rate": rate}),
        Figure("certify_away_p99_ms", away.answers.refused_p99_ms(), {"seconds": seconds}),
        Figure("certify_away_growth_mib", away.growth_bytes / 2**20, {"seconds": seconds}),
        Figure("certify_recovery_s", away.recovery_seconds, {"seconds": seconds}),
    ]


@click.command()
@click.option("--rate", default=200.0, show_default=True, help="Certificates asked for a second.")
@click.option("--changes", default=20, show_default=True, help="How often the issuer changes.")
@click.option("--away", default=120.0, show_default=True, help="Seconds without an API server.")
def main(rate: float, changes: int, away: float) -> None:
    """Change the issuer under load, take the API server away, and write build/bench.json."""
    taken = asyncio.run(_run(rate, changes, away))
    figures.write(ROOT / "build" / "bench.json", taken)
    print(figures.table(taken))


if __name__ == "__main__":
    main()
