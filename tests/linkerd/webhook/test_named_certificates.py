"""One server by several names, each with a certificate of its own that is renewed by itself."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from linkerd.runtime.clock import SystemClock
from linkerd.runtime.metrics import registry
from linkerd.runtime.values import HostPort
from linkerd.webhook.https import ConnectionLimits, HttpsServer
from linkerd.webhook.tls import NamedCertificates, ServerTls
from tests.support.webhooks.served import Certificates

PEAR, PLUM = "pear.test.svc", "plum.test.svc"


class Names:
    """The certificates of two names, each of a root of its own, and the server's parts for them."""

    def __init__(self, folder: Path) -> None:
        self.certificates = {name: Certificates(folder / name, name) for name in (PEAR, PLUM)}
        self.tls: dict[str, ServerTls] = {}
        for name, certificates in self.certificates.items():
            self.tls[name] = certificates.tls(names=[name])
            self.tls[name].load()

    async def serial(self, port: int, name: str | None, root: str) -> int:
        """Of what a client gets that asks for a name and trusts the root of one."""
        trust = self.certificates[root].trusting()
        trust.check_hostname = name is not None
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trust, server_hostname=name or ""
        )
        try:
            connection: ssl.SSLObject = writer.get_extra_info("ssl_object")
            assert connection.version() == "TLSv1.3"
            return int(writer.get_extra_info("peercert")["serialNumber"], 16)
        finally:
            writer.close()

    def current(self, name: str) -> int:
        certificate = self.tls[name].certificate
        assert certificate is not None
        return certificate.serial_number


@asynccontextmanager
async def serving(names: Names) -> AsyncIterator[int]:
    async def hello(_: web.BaseRequest) -> web.Response:
        return web.Response(text="hello")

    server = HttpsServer(
        HostPort("127.0.0.1", 0), NamedCertificates(names.tls[PEAR], names.tls[PLUM]), hello,
        limits=ConnectionLimits(), clock=SystemClock(), registry=registry(),
    )  # fmt: skip
    port = await server.start()
    try:
        yield port
    finally:
        await server.stop(0, 1)


async def test_each_name_has_its_own(tmp_path: Path) -> None:
    names = Names(tmp_path)
    async with serving(names) as port:
        assert await names.serial(port, PEAR, PEAR) == names.current(PEAR)
        assert await names.serial(port, PLUM, PLUM) == names.current(PLUM)
        assert await names.serial(port, PLUM.upper(), PLUM) == names.current(PLUM)


async def test_who_asks_for_no_name_gets_the_first(tmp_path: Path) -> None:
    names = Names(tmp_path)
    async with serving(names) as port:
        assert await names.serial(port, None, PEAR) == names.current(PEAR)


async def test_each_is_renewed_by_itself(tmp_path: Path) -> None:
    names = Names(tmp_path)
    async with serving(names) as port:
        for name, other in ((PLUM, PEAR), (PEAR, PLUM)):
            renewed = names.certificates[name].renew()
            names.tls[name].take(names.tls[name].make(names.tls[name].files.load()))
            assert await names.serial(port, name, name) == renewed.certificate.serial_number
            assert await names.serial(port, other, other) == names.current(other)
