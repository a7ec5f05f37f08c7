"""The identity program beside a real API server, and the tools of its clients, for tests."""

import base64
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from linkerd.local.cluster import LocalCluster
from linkerd.local.programs import find_program
from linkerd.mesh.names import IdentityDomain
from tests.support.certificates import Credentials, make_csr
from tests.support.program import Program

OURS = "identity.l5d.io"

METHOD = "io.linkerd.proxy.identity.Identity/Certify"

DOMAIN = IdentityDomain("linkerd", "cluster.local")

GRPCURL = Path(sys.executable).with_name("grpcurl")


@dataclass
class Answer:
    """What grpcurl printed."""

    code: int
    output: str
    errors: str

    def refused(self, code: str, says: str) -> bool:
        return self.code != 0 and f"Code: {code}" in self.errors and says in self.errors


@dataclass
class Mesh:
    """A running identity service and the means to be its client."""

    cluster: LocalCluster
    namespace: str
    directory: Path
    program: Program
    credentials: Credentials
    numbers: Iterator[int] = field(default_factory=count)

    def name_of(self, account: str) -> str:
        return DOMAIN.workload(account, self.namespace)

    def account(self, name: str = "web") -> str:
        """A new ServiceAccount; its name, made unique, as all tests share a namespace."""
        unique = f"{name}{next(self.numbers)}"
        self.cluster.kubectl("create", "serviceaccount", unique, "--namespace", self.namespace)
        return unique

    def token(self, account: str, *flags: str) -> str:
        command = ("create", "token", account, "--namespace", self.namespace, *flags)
        return self.cluster.kubectl(*command).strip()

    def call(self, account: str, token: str | bytes, csr: bytes | None = None) -> Answer:
        """Certify, by grpcurl through reflection."""
        name = self.name_of(account)
        request = {
            "identity": name,
            "token": encoded(token.encode() if isinstance(token, str) else token),
            "certificate_signing_request": encoded(make_csr(name) if csr is None else csr),
        }
        address = f"127.0.0.1:{self.program.port_of('serving')}"
        done = subprocess.run(
            [GRPCURL, "-plaintext", "-d", "@", address, METHOD],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)


def start(kubeconfig: Path, directory: Path, credentials: Credentials, *flags: str) -> Program:
    """The program with that issuer, on ports of its choice."""
    issuer, bundle = credentials.write(directory)
    return Program(
        "services.identity",
        f"--kubeconfig={kubeconfig}", "--addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0",
        f"--controller-namespace={DOMAIN.controller_namespace}",
        f"--identity-trust-domain={DOMAIN.trust_domain}", "--identity-scheme=linkerd.io/tls",
        f"--issuer={issuer}", f"--trust-anchors={bundle}", "--enable-reflection",
        "--log-format=json", *flags,
    )  # fmt: skip


def encoded(data: bytes) -> str:
    """As protobuf's JSON has bytes."""
    return base64.b64encode(data).decode()


def kubectl() -> Path:
    """The program."""
    program = find_program("kubectl")
    if program is None:
        raise AssertionError("there is no kubectl")
    return program


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def openssl_csr(directory: Path, name: str, *, subject: str | None = None) -> bytes:
    """What people make by hand."""
    key = directory / "workload.key"
    openssl(directory, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key))
    return openssl(
        directory, "req", "-new", "-key", str(key), "-subj", subject or f"/CN={name}",
        "-addext", f"subjectAltName=DNS:{name}", "-outform", "DER",
    )  # fmt: skip


def verify(directory: Path, answer: Answer, name: str) -> None:
    """Whether strict openssl takes the answer for that name, as server and as client."""
    response = json.loads(answer.output)
    leaf = base64.b64decode(response["leaf_certificate"])
    (directory / "leaf.pem").write_bytes(to_pem(directory, leaf))
    (directory / "chain.pem").write_bytes(
        b"".join(
            to_pem(directory, base64.b64decode(each))
            for each in response["intermediate_certificates"]
        )
    )
    for purpose in ("sslserver", "sslclient"):
        said = openssl(
            directory, "verify", "-x509_strict", "-purpose", purpose, "-verify_hostname", name,
            "-CAfile", "trust-roots/ca-bundle.crt", "-untrusted", "chain.pem", "leaf.pem",
        )  # fmt: skip
        if said != b"leaf.pem: OK\n":
            raise AssertionError(f"openssl verify -purpose {purpose}: {said!r}")


def to_pem(directory: Path, der: bytes) -> bytes:
    """A certificate, by openssl."""
    (directory / "one.der").write_bytes(der)
    return openssl(directory, "x509", "-inform", "DER", "-in", "one.der")


def openssl(directory: Path, *arguments: str) -> bytes:
    """What it printed; paths are relative to the directory."""
    return subprocess.run(
        ["openssl", *arguments], cwd=directory, capture_output=True, check=True
    ).stdout


def cluster_key(cluster: LocalCluster) -> ec.EllipticCurvePrivateKey:
    """What the API server signs tokens with."""
    key = load_pem_private_key((cluster.state / "pki" / "service-accounts.key").read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"a {type(key).__name__} signs tokens")
    return key


def signed(token: str, key: ec.EllipticCurvePrivateKey, **claims: object) -> str:
    """The token with other claims, signed (ES256) by `key`."""
    header, payload, _ = token.split(".")
    content = {**json.loads(base64.urlsafe_b64decode(payload + "==")), **claims}
    body = f"{header}.{jwt_encoded(json.dumps(content).encode())}"
    r, s = utils.decode_dss_signature(key.sign(body.encode(), ec.ECDSA(SHA256())))
    return f"{body}.{jwt_encoded(r.to_bytes(32) + s.to_bytes(32))}"


def jwt_encoded(data: bytes) -> str:
    """As the parts of a token are."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
