"""A stand-in for a proxy in end-to-end tests: a program of one file.

It starts as a proxy does, from key.p8, csr.der and the token file that its variables name, and asks
identity for certificates. With them it serves TLS 1.3 on its admin port, asks clients for theirs,
and tells each who it is. With PEER and PEER_NAME it also connects there, all the time, and counts.
Both ends verify as strictly as OpenSSL can, against the anchors that they were started with. Each
second it prints a line of JSON with what it counted.

Unlike a proxy it renews every few seconds, so that a test sees in a minute what takes days.
"""

import asyncio
import json
import os
import signal
import ssl
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from linkerd.stubs.proxy import identity_pb2
from linkerd.stubs.proxy.identity_pb2_grpc import IdentityStub

ADMIN_PORT: Final = 4191
READY: Final = "ready"
"""A file of the directory: there once connections are taken."""
_RENEW_SECONDS: Final = 3.0
_CONNECT_SECONDS: Final = 0.1
_DEADLINE: Final = 10.0
_DRAIN_SECONDS: Final = 4.0  # connections still come until every node knows of our end
_PREFIX: Final = "LINKERD2_PROXY_IDENTITY_"


def _setting(name: str) -> str:
    return os.environ[f"{_PREFIX}{name}"]


@dataclass
class Proxy:
    """The workload, its certificate of the moment, and what it has counted."""

    name: str = field(default_factory=lambda: _setting("LOCAL_NAME"))
    anchors: str = field(default_factory=lambda: _setting("TRUST_ANCHORS"))
    directory: Path = field(default_factory=lambda: Path(_setting("DIR")))
    counts: Counter[str] = field(default_factory=Counter)
    problem: str = ""
    issuer: str = ""
    """The key identifier of what signed the certificate."""
    server: ssl.SSLContext = field(init=False)
    client: ssl.SSLContext = field(init=False)

    def __post_init__(self) -> None:
        key = load_der_private_key((self.directory / "key.p8").read_bytes(), password=None)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.directory / "key.pem").write_bytes(pem)  # as OpenSSL takes it; a volume in memory

    def failed(self, kind: str, error: BaseException | str) -> None:
        """Count it, and keep what was said."""
        self.counts[kind] += 1
        self.problem = f"{kind}: {error}"

    async def certify(self, stub: Any) -> None:
        """Get a certificate, and use it from now on."""
        self._take(await stub.Certify(self._request(), timeout=_DEADLINE))

    def _request(self) -> identity_pb2.CertifyRequest:
        return identity_pb2.CertifyRequest(
            identity=self.name,
            token=Path(_setting("TOKEN_FILE")).read_bytes(),
            certificate_signing_request=(self.directory / "csr.der").read_bytes(),
        )

    def _take(self, response: identity_pb2.CertifyResponse) -> None:
        ders = [response.leaf_certificate, *response.intermediate_certificates]
        chain = [x509.load_der_x509_certificate(der) for der in ders]
        pem = b"".join(each.public_bytes(Encoding.PEM) for each in chain)
        (self.directory / "chain.pem").write_bytes(pem)
        self.server = self._context(ssl.PROTOCOL_TLS_SERVER)
        self.client = self._context(ssl.PROTOCOL_TLS_CLIENT)
        signer = chain[0].extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        self.issuer = (signer.key_identifier or b"").hex()
        self.counts["certified"] += 1

    def _context(self, side: int) -> ssl.SSLContext:
        context = ssl.SSLContext(side)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_verify_locations(cadata=self.anchors)
        context.load_cert_chain(self.directory / "chain.pem", self.directory / "key.pem")
        if side == ssl.PROTOCOL_TLS_SERVER:
            context.verify_mode = ssl.CERT_OPTIONAL
        return context


def _choose(proxy: Proxy) -> Callable[..., int | None]:
    """Takes the certificate of the moment for those who ask for our name, and refuses others."""

    def choose(link: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        if name != proxy.name:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        link.context = proxy.server
        return None

    return choose


async def serve(proxy: Proxy) -> asyncio.Server:
    """Answers every client with the identity that its certificate proves, or with nothing."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = writer.get_extra_info("ssl_object").getpeercert() or {}
        names = [value for kind, value in found.get("subjectAltName", ()) if kind == "DNS"]
        proxy.counts["served" if names else "anonymous"] += 1
        writer.write("".join(names).encode())
        writer.close()

    # What connections are verified with stays that of the start: anchors never change.
    context = proxy.server
    context.sni_callback = _choose(proxy)
    return await asyncio.start_server(answer, "0.0.0.0", ADMIN_PORT, ssl=context)  # a pod


async def connect(proxy: Proxy, host: str, port: int, peer: str) -> None:
    """One connection. Good: both ends are who they should be. Cut: nobody was there."""
    try:
        async with asyncio.timeout(_DEADLINE):
            reader, writer = await asyncio.open_connection(
                host, port, ssl=proxy.client, server_hostname=peer
            )
            said = (await reader.read()).decode()
            writer.close()
    except ssl.SSLError as error:
        proxy.failed("bad", error)
    except (OSError, TimeoutError) as error:
        proxy.failed("cut", error)
    else:
        if said == proxy.name:
            proxy.counts["good"] += 1
        else:
            proxy.failed("bad" if said else "cut", f"we are taken for {said!r}")


async def run() -> None:
    """Until SIGTERM."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    proxy = Proxy()

    def unhandled(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        kind = "bad" if isinstance(error, ssl.SSLError) else "cut"
        proxy.failed(kind, f"{context.get('message')}: {error}")

    loop.set_exception_handler(unhandled)
    async with grpc.aio.insecure_channel(_setting("SVC_ADDR")) as channel:
        stub = IdentityStub(channel)
        while not proxy.counts["certified"]:
            await _try_certify(proxy, stub, pause=0.2)
        server = await serve(proxy)
        (proxy.directory / READY).touch()
        tasks = [asyncio.create_task(_renew(proxy, stub)), asyncio.create_task(_report(proxy))]
        if "PEER" in os.environ:
            tasks.append(asyncio.create_task(_meet(proxy)))
        await stopped.wait()
        await asyncio.sleep(_DRAIN_SECONDS)
        server.close()
        for task in tasks:
            task.cancel()


async def _try_certify(proxy: Proxy, stub: Any, pause: float) -> None:
    try:
        await proxy.certify(stub)
    except grpc.aio.AioRpcError as error:
        proxy.failed("uncertified", f"{error.code().name}: {error.details()}")
        print(json.dumps({"problem": proxy.problem}), flush=True)  # noqa: T201  # its report
    await asyncio.sleep(pause)


async def _renew(proxy: Proxy, stub: Any) -> None:
    while True:
        await _try_certify(proxy, stub, pause=_RENEW_SECONDS)


async def _meet(proxy: Proxy) -> None:
    host, _, port = os.environ["PEER"].rpartition(":")
    while True:
        await connect(proxy, host, int(port), os.environ["PEER_NAME"])
        await asyncio.sleep(_CONNECT_SECONDS)


async def _report(proxy: Proxy) -> None:
    while True:
        line = {"issuer": proxy.issuer, "problem": proxy.problem, **proxy.counts}
        print(json.dumps(line), flush=True)  # noqa: T201  # its report
        await asyncio.sleep(1)


if __name__ == "__main__":
    sys.exit(asyncio.run(run()))
