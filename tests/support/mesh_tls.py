"""Workloads with certificates as the identity service makes them, and TLS in front of a server as a
proxy makes it: TLS 1.3, no ALPN chosen, and clients must show who they are."""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

from cryptography import x509

from linkerd.rpc.client.tls import MeshTls
from linkerd.trust.facts import Window
from services.identity.issuer.leaf import sign_leaf, template
from tests.support.certificates import DOMAIN, Credentials, certificate_pem, key_pem, p256

_CHUNK: Final = 64 * 1024


@dataclass(frozen=True)
class Workload:
    """Its certificate, key and trust anchors, in files."""

    identity: str
    certificate: Path
    key: Path
    anchors: Path

    @classmethod
    def make(
        cls,
        directory: Path,
        name: str,
        credentials: Credentials,
        *,
        trusts: Credentials | None = None,
        age: timedelta = timedelta(0),
        san: str | None = None,
    ) -> Self:
        """A workload of namespace shop, with a certificate for a day that began `age` ago; it
        trusts those who made it, unless it `trusts` others. `san` is what the certificate says
        instead of its identity."""
        identity = DOMAIN.workload(name, "shop")
        paths = (directory / f"{name}.{kind}" for kind in ("crt", "key", "anchors"))
        made = cls(identity, *paths)
        made.certify(credentials, age=age, san=san)
        made.anchors.write_bytes((trusts or credentials).anchor.certificate_pem)
        return made

    def certify(
        self, credentials: Credentials, *, age: timedelta = timedelta(0), san: str | None = None
    ) -> None:
        """A new key and certificate."""
        start = datetime.now(UTC).replace(microsecond=0) - age - timedelta(minutes=1)
        key, issuer = p256(), credentials.issuer
        window = Window(start, start + timedelta(days=1))
        leaf = sign_leaf(
            template(issuer.certificate), issuer.key, key.public_key(), san or self.identity, window
        )
        self.certificate.write_bytes(certificate_pem(leaf, issuer.certificate))
        self.key.write_bytes(key_pem(key))

    def tls(self) -> MeshTls:
        """What it calls others with."""
        tls = MeshTls(self.certificate, self.key, self.anchors)
        tls.load()
        return tls


class TlsFront:
    """`async with TlsFront(workload, port) as front:` listens on 127.0.0.1:`front.port`, and hands
    on to `port` in plain text. `clients` are the identities of those who came."""

    def __init__(self, workload: Workload, target: int) -> None:
        self._workload = workload
        self._target = target
        self._links: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server
        self.clients: list[str] = []
        self.port = 0

    async def __aenter__(self) -> Self:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(self._workload.anchors)
        context.load_cert_chain(self._workload.certificate, self._workload.key)
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self.kill()

    @property
    def open_connections(self) -> int:
        """How many stand now."""
        return len(self._links)

    async def kill(self) -> None:
        """Ends all connections without a word."""
        for link in tuple(self._links):
            link.cancel()
        if self._links:
            await asyncio.wait(self._links)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        self.clients += _names(certificate)
        link = asyncio.current_task()
        assert link is not None  # a test's
        self._links.add(link)
        try:
            back_reader, back_writer = await asyncio.open_connection("127.0.0.1", self._target)
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(_pump(reader, back_writer))
                pumps.create_task(_pump(back_reader, writer))
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            self._links.discard(link)
            writer.transport.abort()
            with suppress(UnboundLocalError):
                back_writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK):
        writer.write(chunk)
        await writer.drain()
    raise ConnectionResetError  # one side is gone, so the other goes


def _names(der: bytes) -> list[str]:
    certificate = x509.load_der_x509_certificate(der)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return names.value.get_values_for_type(x509.DNSName)
