"""`linkerd check` and the identity service give one verdict on the same certificates and keys."""

import base64
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from linkerd.check.cluster import Cluster
from linkerd.check.identity import identity_category
from linkerd.check.runner import Runner
from linkerd.kube.access import Access
from linkerd.local.api import AdminApi
from linkerd.local.cluster import LocalCluster
from linkerd.mesh.names import IdentityDomain
from linkerd.runtime.clock import SystemClock
from linkerd.trust.objects import ANCHORS, ANCHORS_KEY, ISSUER
from services.identity.errors import CredentialsError
from services.identity.issuer.issuer import load_issuer
from tests.support.authorities import below, root
from tests.support.authority_cases import CASES
from tests.support.certificates import (
    Credentials,
    certificate_pem,
    key_pem,
    rsa_key,
    write_issuer,
)

pytestmark = pytest.mark.integration

Files = tuple[bytes, bytes, bytes]
"""Bundle, certificate, key."""

GOOD = Credentials.make()
BUNDLE, CERTIFICATE, KEY = (
    GOOD.anchor.certificate_pem, GOOD.issuer.certificate_pem, GOOD.issuer.key_pem,
)  # fmt: skip
PARAMETERS = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"


def encrypted(form: PrivateFormat) -> bytes:
    return GOOD.issuer.key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"x"))


def of_rsa() -> Files:
    top, key = root(), rsa_key(2048)
    issuer, _ = below(top, "issuer", key)
    return certificate_pem(top[0]), certificate_pem(issuer), key_pem(key)


TEXTS: Final[dict[str, Callable[[], Files]]] = {
    "good": lambda: (BUNDLE, CERTIFICATE, KEY),
    "comment after the bundle": lambda: (BUNDLE + b"# of Monday\n", CERTIFICATE, KEY),
    "comment before the bundle": lambda: (b"# of Monday\n" + BUNDLE, CERTIFICATE, KEY),
    "blank lines": lambda: (BUNDLE + b"\n\n", CERTIFICATE + b"\n\n", KEY + b"\n\n"),
    "CRLF": lambda: (BUNDLE, CERTIFICATE.replace(b"\n", b"\r\n"), KEY.replace(b"\n", b"\r\n")),
    "key in the certificate's file": lambda: (BUNDLE, CERTIFICATE + KEY, KEY),
    "key before the certificate": lambda: (BUNDLE, KEY + CERTIFICATE, KEY),
    "swapped": lambda: (BUNDLE, KEY, CERTIFICATE),
    "bundle that is empty": lambda: (b"", CERTIFICATE, KEY),
    "certificate that is empty": lambda: (BUNDLE, b"", KEY),
    "key that is empty": lambda: (BUNDLE, CERTIFICATE, b""),
    "another key": lambda: (BUNDLE, CERTIFICATE, GOOD.anchor.key_pem),
    "root first": lambda: (BUNDLE, BUNDLE + CERTIFICATE, KEY),
    "parameters first": lambda: (BUNDLE, CERTIFICATE, PARAMETERS + KEY),
    "encrypted": lambda: (BUNDLE, CERTIFICATE, encrypted(PrivateFormat.PKCS8)),
    "encrypted, old form": lambda: (
        BUNDLE, CERTIFICATE, encrypted(PrivateFormat.TraditionalOpenSSL),
    ),
    "encoded twice": lambda: (BUNDLE, base64.b64encode(CERTIFICATE), base64.b64encode(KEY)),
    "cut off": lambda: (BUNDLE, CERTIFICATE[:-60], KEY),
    "RSA issuer": of_rsa,
}  # fmt: skip


ROOTS_OF_OPENSSL: Final = {name for name in CASES if "root by openssl" in name}
"""Of X.509 version 1 and 3, with every kind of key."""


def of_case(name: str, folder: Path) -> Files:
    case = CASES[name](folder)
    certificate, key = case.issuer
    return certificate_pem(*case.anchors), certificate_pem(certificate, *case.rest), key_pem(key)


@dataclass
class Plane:
    """A namespace whose Secret and ConfigMap can be put again and again, and the same as files."""

    api: AdminApi
    cluster: Cluster
    folder: Path

    @property
    def domain(self) -> IdentityDomain:
        return IdentityDomain(self.cluster.namespace, "cluster.local")

    def put(self, files: Files) -> None:
        bundle, certificate, key = files
        root = f"/api/v1/namespaces/{self.cluster.namespace}"
        body: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap"}
        body |= {"metadata": {"name": ANCHORS}, "data": {ANCHORS_KEY: bundle.decode()}}
        self.api.apply(f"{root}/configmaps/{ANCHORS}", body)
        values = {"crt.pem": certificate, "key.pem": key}
        data = {name: base64.b64encode(value).decode() for name, value in values.items()}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": ISSUER}, "data": data}
        self.api.apply(f"{root}/secrets/{ISSUER}", body)
        write_issuer(self.folder, certificate, key)
        (self.folder / "ca-bundle.crt").write_bytes(bundle)

    def refused_by_identity(self) -> str | None:
        bundle = self.folder / "ca-bundle.crt"
        try:
            load_issuer(self.folder, "linkerd.io/tls", bundle, self.domain, datetime.now(UTC))
        except CredentialsError as error:
            return error.problem
        return None

    async def refused_by_check(self) -> str | None:
        clock = SystemClock()
        report = await Runner(clock, wait=0).run([identity_category(self.cluster, clock)])
        failed = [o.error for o in report.outcomes if o.error is not None and o.result == "error"]
        return "\n".join(failed) or None


@pytest.fixture
async def plane(api_cluster: LocalCluster, namespace: str, tmp_path: Path) -> AsyncIterator[Plane]:
    async with Cluster(Access(api_cluster.kubeconfig), namespace) as cluster:
        with api_cluster.api() as api:
            yield Plane(api, cluster, tmp_path)


async def verdicts(plane: Plane, table: Mapping[str, Files]) -> tuple[list[str], list[str]]:
    """What both take, and on what they differ."""
    taken, different = [], []
    for name, files in table.items():
        plane.put(files)
        identity, check = plane.refused_by_identity(), await plane.refused_by_check()
        if (identity is None) != (check is None):
            different.append(f"{name}: identity says {identity}, check {check}")
        elif identity is None:
            taken.append(name)
    return taken, different


async def test_on_texts(plane: Plane) -> None:
    taken, different = await verdicts(plane, {name: make() for name, make in TEXTS.items()})
    assert different == []
    assert taken == [
        "good", "comment before the bundle", "blank lines", "CRLF",
        "key in the certificate's file",
    ]  # fmt: skip


async def test_on_authorities(plane: Plane, tmp_path: Path) -> None:
    """Every kind of issuer, root and what is between them."""
    taken, different = await verdicts(plane, {name: of_case(name, tmp_path) for name in CASES})
    assert different == []
    assert set(taken) >= ROOTS_OF_OPENSSL
    assert 25 < len(taken) < len(CASES) - 25
