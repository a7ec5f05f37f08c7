"""Pods' identities, and certificates that real TLS servers show."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from linkerd.check.proxies import Proxy, ProxyProblem, proxy_of, served_certificate
from linkerd.check.text import certificate_text
from linkerd.trust.describe import dns_names
from tests.support.certificates import IDENTITY, certificate_pem, key_pem, make_ca, p256

FIELDS = {"_pod_sa": "spec.serviceAccountName", "_pod_ns": "metadata.namespace"}


def pod(
    env: list[dict[str, Any]] | None, ports: dict[str, int] | None = None, *, init: bool = False
) -> dict[str, Any]:
    proxy = {
        "name": "linkerd-proxy",
        "env": env,
        "ports": [{"name": name, "containerPort": port} for name, port in (ports or {}).items()],
    }
    listed = [] if env is None else [proxy]
    spec: dict[str, Any] = {"serviceAccountName": "checkout", "containers": [{"name": "app"}]}
    if init:
        spec["initContainers"] = listed
    else:
        spec["containers"] += listed
    return {"metadata": {"name": "checkout-1", "namespace": "shop"}, "spec": spec}


def variable(value: str) -> dict[str, str]:
    return {"name": "LINKERD2_PROXY_IDENTITY_LOCAL_NAME", "value": value}


@pytest.mark.parametrize("init", [False, True])
def test_an_identity_that_the_pod_makes_up_from_its_fields(init: bool) -> None:
    env: list[dict[str, Any]] = [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
        for name, path in FIELDS.items()
    ]
    value = "$(_pod_sa).$(_pod_ns).serviceaccount.identity.mesh-sys.corp.example"
    assert proxy_of(pod([*env, variable(value)], init=init)) == Proxy(IDENTITY, 4191)


def test_a_literal_identity_and_another_admin_port() -> None:
    found = proxy_of(pod([variable(IDENTITY)], {"linkerd-admin": 5191, "linkerd-proxy": 4143}))
    assert found == Proxy(IDENTITY, 5191)


@pytest.mark.parametrize("env", [None, [], [variable("$(unknown).shop")]])
def test_pods_without_an_identity(env: list[dict[str, Any]] | None) -> None:
    with pytest.raises(ProxyProblem, match="proxy"):
        proxy_of(pod(env))


def leaf(
    name: str, root: tuple[x509.Certificate, ec.EllipticCurvePrivateKey]
) -> tuple[x509.Certificate, bytes]:
    key = p256()
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    return make_ca(name[:20], key, root, ca=False, extensions=[names, usage]), key_pem(key)


def context_of(certificate: x509.Certificate, key: bytes, folder: Path) -> ssl.SSLContext:
    folder.mkdir()
    (folder / "crt").write_bytes(certificate_pem(certificate))
    (folder / "key").write_bytes(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(folder / "crt", folder / "key")
    return context


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[int]:
    """As a proxy: TLS 1.3 only, and its certificate only to those who name it."""
    key = p256()
    root = (make_ca("root", key), key)
    own = context_of(*leaf(IDENTITY, root), tmp_path / "own")
    other = context_of(*leaf("other.example", root), tmp_path / "other")

    def choose(link: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name == IDENTITY:
            link.context = own

    other.sni_callback = choose

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=other)
    async with listener:
        yield listener.sockets[0].getsockname()[1]


async def test_the_certificate_of_a_server_by_its_name(server: int) -> None:
    assert dns_names(await served_certificate(server, IDENTITY)) == [IDENTITY]
    assert dns_names(await served_certificate(server, "else.example")) == ["other.example"]


async def test_nobody_there(unused_tcp_port: int) -> None:
    with pytest.raises(ProxyProblem, match="no TLS handshake"):
        await served_certificate(unused_tcp_port, IDENTITY)


async def test_a_server_without_tls() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 no\r\n\r\n")
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        with pytest.raises(ProxyProblem, match="no TLS handshake"):
            await served_certificate(listener.sockets[0].getsockname()[1], IDENTITY)


def test_the_text_says_what_matters() -> None:
    key = p256()
    root = make_ca("root", key, path_length=3)
    certificate, _ = leaf(IDENTITY, (root, key))
    text = certificate_text(certificate)

    for line in (
        "Version: 3 (0x2)",
        "Issuer: CN=root",
        "Public Key Algorithm: ECDSA P-256",
        f"DNS:{IDENTITY}",
        "TLS Web Server Authentication",
        "CA:FALSE",
        "Signature Algorithm: ecdsa-with-SHA256",
    ):
        assert line in text
    assert "CA:TRUE, pathlen:3" in certificate_text(root)
