"""A key and a signing request of openssl, a token of kubectl, and a certificate that verifies."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from linkerd.delivery.kubectl import Kubectl
from linkerd.stubs.proxy import identity_pb2
from linkerd.stubs.proxy.identity_pb2_grpc import IdentityStub
from linkerd.trust.objects import ANCHORS, ANCHORS_KEY

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("demo"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl on PATH"),
]

AUDIENCE = "identity.l5d.io"
LONG = "a-service-account-whose-identity-does-not-fit-a-common-name"


def name_of(account: str) -> str:
    return f"{account}.demo.serviceaccount.identity.linkerd.cluster.local"


def openssl(*arguments: str | Path) -> str:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def signing_request(folder: Path, name: str) -> bytes:
    """DER. A name of more than 64 characters cannot be a common name; it is in the SAN alone."""
    subject = f"/CN={name}" if len(name) <= 64 else "/"
    openssl(
        "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256",
        "-keyout", folder / "key.pem", "-subj", subject, "-addext", f"subjectAltName=DNS:{name}",
        "-outform", "DER", "-out", folder / "request.der",
    )  # fmt: skip
    return (folder / "request.der").read_bytes()


def token(kubectl: Kubectl, account: str, audience: str = AUDIENCE) -> bytes:
    return (
        kubectl("create", "token", account, "--namespace=demo", f"--audience={audience}")
        .strip()
        .encode()
    )


def certify(
    channel: grpc.Channel, name: str, request: bytes, proof: bytes
) -> identity_pb2.CertifyResponse:
    return IdentityStub(channel).Certify(
        identity_pb2.CertifyRequest(
            identity=name, token=proof, certificate_signing_request=request
        ),
        timeout=10,
    )


@pytest.fixture
def long_account(delivered: Kubectl) -> Iterator[str]:
    delivered("create", "serviceaccount", LONG, "--namespace=demo")
    yield LONG
    delivered("delete", "serviceaccount", LONG, "--namespace=demo")


@pytest.fixture
def anchors(delivered: Kubectl, tmp_path: Path) -> Path:
    """The trust anchors of the cluster, as a proxy gets them."""
    found = delivered.find("configmap", ANCHORS, "linkerd")
    assert found is not None
    file = tmp_path / "anchors.pem"
    file.write_text(found["data"][ANCHORS_KEY])
    return file


def verify(response: identity_pb2.CertifyResponse, anchors: Path, folder: Path, name: str) -> None:
    """By openssl, strictly, as a TLS server of that name."""
    leaf = x509.load_der_x509_certificate(response.leaf_certificate)
    chain = [x509.load_der_x509_certificate(der) for der in response.intermediate_certificates]
    (folder / "leaf.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
    (folder / "chain.pem").write_bytes(b"".join(c.public_bytes(Encoding.PEM) for c in chain))
    said = openssl(
        "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", name,
        "-CAfile", anchors, "-untrusted", folder / "chain.pem", folder / "leaf.pem",
    )  # fmt: skip
    assert said.strip().endswith("OK")
    key = openssl("pkey", "-in", folder / "key.pem", "-pubout")
    assert openssl("x509", "-in", folder / "leaf.pem", "-noout", "-pubkey") == key


def test_a_workload_gets_a_certificate(
    delivered: Kubectl, identity: grpc.Channel, anchors: Path, tmp_path: Path
) -> None:
    name = name_of("web")
    request = signing_request(tmp_path, name)
    verify(certify(identity, name, request, token(delivered, "web")), anchors, tmp_path, name)


def test_a_long_name_works(
    delivered: Kubectl, identity: grpc.Channel, anchors: Path, tmp_path: Path, long_account: str
) -> None:
    name = name_of(long_account)
    assert len(name) > 64
    request = signing_request(tmp_path, name)
    response = certify(identity, name, request, token(delivered, long_account))
    verify(response, anchors, tmp_path, name)


def test_a_token_for_another_audience_does_not(
    delivered: Kubectl, identity: grpc.Channel, tmp_path: Path
) -> None:
    name = name_of("web")
    proof = token(delivered, "web", audience="vault")
    with pytest.raises(grpc.RpcError) as refused:
        certify(identity, name, signing_request(tmp_path, name), proof)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_token_of_another_workload_does_not(
    delivered: Kubectl, identity: grpc.Channel, tmp_path: Path
) -> None:
    name = name_of("web")
    proof = token(delivered, "books")
    with pytest.raises(grpc.RpcError) as refused:
        certify(identity, name, signing_request(tmp_path, name), proof)
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert name_of("books") in (refused.value.details() or "")
