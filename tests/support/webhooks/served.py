"""HTTPS servers in the test's own loop, their certificates, and clients that trust them."""

import io
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from prometheus_client import CollectorRegistry

from linkerd.certificates import Authority, Certified, make_authority, make_server
from linkerd.runtime.clock import Clock, SystemClock
from linkerd.runtime.metrics import registry
from linkerd.runtime.values import HostPort
from linkerd.webhook.admission import Admission, Webhook
from linkerd.webhook.body import Bodies, BodyLimits
from linkerd.webhook.https import ConnectionLimits, Handler, HttpsServer
from linkerd.webhook.tls import ServerTls
from tests.support.certificates import make_ca, p256
from tests.support.clock import FakeClock
from tests.support.mount import Mount
from tests.support.webhooks.toys import NAME, WEBHOOKS

DAY = timedelta(days=1)


class Certificates:
    """A root, and what it issues for a server into a mounted Secret."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.mount = Mount(folder)
        self.names = names or (NAME,)
        self.root = make_authority("root.test", lifetime=DAY)
        self.renew()

    @property
    def certificate(self) -> Path:
        return self.mount.path / "tls.crt"

    @property
    def key(self) -> Path:
        return self.mount.path / "tls.key"

    def issue(self, *names: str, root: Authority | None = None) -> Certified:
        """A pair that is stored nowhere."""
        return make_server(names or self.names, root or self.root, lifetime=DAY)

    def renew(self) -> Certified:
        """Replaces the pair by another of the same root."""
        pair = self.issue()
        self.put(pair.certificate_pem, pair.key_pem)
        return pair

    def put(self, certificate: bytes, key: bytes) -> None:
        """Replaces the files, as kubelet does."""
        self.mount.put(tls_crt=certificate, tls_key=key)

    def tls(self, clock: Clock | None = None, **options: Any) -> ServerTls:
        """A server's part, not loaded."""
        return ServerTls(
            self.certificate, self.key, clock=clock or SystemClock(),
            registry=options.pop("registry", None) or registry(), **options,
        )  # fmt: skip

    def trusting(
        self, client: Certified | None = None, folder: Path | None = None
    ) -> ssl.SSLContext:
        """A client's context; with a certificate of its own, which goes through `folder`."""
        context = ssl.create_default_context(cadata=self.root.certificate_pem.decode())
        if client is not None and folder is not None:
            path = folder / f"client-{client.certificate.serial_number:x}.pem"
            path.write_bytes(client.certificate_pem + client.key_pem)
            context.load_cert_chain(path)
        return context


def for_clients(name: str, root: Authority | None = None) -> Certified:
    """A certificate for clients only, by itself or issued by `root`."""
    key = p256()
    certificate = make_ca(
        name, key, None if root is None else (root.certificate, root.key), ca=False,
        extensions=[
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),
            x509.SubjectAlternativeName([x509.DNSName(name)]),
        ],
    )  # fmt: skip
    return Certified(certificate, key)


class Served:
    """A running server and a client's session with it."""

    def __init__(
        self, port: int, session: aiohttp.ClientSession, certificates: Certificates,
        server: HttpsServer, tls: ServerTls, numbers: CollectorRegistry,
    ) -> None:  # fmt: skip
        self.port = port
        self.session = session
        self.certificates = certificates
        self.server = server
        self.tls = tls
        self.numbers = numbers
        self.trust = certificates.trusting()

    async def request(
        self, method: str = "POST", path: str = "/validate", body: Any = b"", *,
        content_type: str = "application/json", trust: ssl.SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, str]:  # fmt: skip
        """Status and text of an answer."""
        body = io.BytesIO(body) if isinstance(body, bytes) else body
        async with self.session.request(
            method, f"https://127.0.0.1:{self.port}{path}", data=body, ssl=trust or self.trust,
            server_hostname=NAME, headers={"Content-Type": content_type, **(headers or {})},
        ) as answer:  # fmt: skip
            return answer.status, await answer.text()

    async def review(self, path: str = "/validate", **fields: Any) -> dict[str, Any]:
        """The response to a good review."""
        status, text = await self.request(path=path, body=a_review(**fields))
        assert status == 200, text
        response: dict[str, Any] = msgspec.json.decode(text)["response"]
        return response

    def number(self, name: str, **labels: str) -> float | None:
        return self.numbers.get_sample_value(name, labels)


def a_review(
    data: Mapping[str, str] | None = None, *, version: str = "v1", resource: str = "configmaps",
    kind: str = "ConfigMap", name: str = "paint", **request: Any,
) -> bytes:  # fmt: skip
    """The body that an API server sends for a ConfigMap."""
    content = {
        "apiVersion": f"admission.k8s.io/{version}",
        "kind": "AdmissionReview",
        "request": {
            "uid": "4f5c",
            "kind": {"group": "", "version": "v1", "kind": kind},
            "resource": {"group": "", "version": "v1", "resource": resource},
            "operation": "CREATE",
            "name": name,
            "namespace": "shop",
            "userInfo": {"username": "ada", "extra": {"a": ["b"]}},
            "object": {
                "apiVersion": "v1", "kind": kind, "data": data or {},
                "metadata": {"name": name, "creationTimestamp": None},
            },
            "oldObject": None,
            "dryRun": False,
            "options": None,
            **request,
        },
    }  # fmt: skip
    return msgspec.json.encode(content)


@asynccontextmanager
async def served(
    folder: Path, *webhooks: Webhook, handler: Handler | None = None,
    limits: ConnectionLimits | None = None, bodies: BodyLimits | None = None,
    clock: Clock | None = None, prepare: Callable[[ServerTls], None] = lambda tls: None,
) -> AsyncIterator[Served]:  # fmt: skip
    """The toys, other webhooks, or any handler, served; `prepare` is called before the start."""
    certificates, numbers = Certificates(folder / "tls"), registry()
    clock = clock or SystemClock()
    tls = certificates.tls(clock, registry=numbers)
    prepare(tls)
    tls.load()
    admission = Admission(webhooks or WEBHOOKS, Bodies(bodies or BodyLimits()), numbers)
    server = HttpsServer(
        HostPort("127.0.0.1", 0), tls, handler or admission, limits=limits or ConnectionLimits(),
        clock=clock, registry=numbers,
    )  # fmt: skip
    port = await server.start()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        try:
            yield Served(port, session, certificates, server, tls, numbers)
        finally:
            if isinstance(clock, FakeClock):
                clock.rush()
            await server.stop(0, 1)
