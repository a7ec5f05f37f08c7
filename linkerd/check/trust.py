"""The issuer and the trust anchors that a control plane is given: its Secret and its ConfigMap.

Both forms of the Secret are read. Nothing of the private key leaves this module but whether it
belongs to the certificate.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from linkerd.check.cluster import Cluster, Object

ANCHORS: Final = "linkerd-identity-trust-roots"
ANCHORS_KEY: Final = "ca-bundle.crt"
ISSUER: Final = "linkerd-identity-issuer"
LINKERD_FORM: Final = "linkerd.io/tls"
KUBERNETES_FORM: Final = "kubernetes.io/tls"

_FILES: Final = {LINKERD_FORM: ("crt.pem", "key.pem"), KUBERNETES_FORM: ("tls.crt", "tls.key")}
_SCHEME_FLAG: Final = "-identity-scheme="


class TrustProblem(Exception):  # noqa: N818  # an answer about the cluster, not a fault of ours
    """The objects are not there, or not what they should be; names the object and its key."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What the objects hold: `form` of the Secret, issuer, the chain in its file, and the roots."""

    form: str
    issuer: x509.Certificate
    intermediates: tuple[x509.Certificate, ...]
    anchors: tuple[x509.Certificate, ...]
    bundle: str


async def read_trust(cluster: Cluster) -> Trust:
    """Raises TrustProblem, and KubeError when the objects may not be read."""
    bundle = await read_bundle(cluster)
    anchors = _certificates(bundle.encode(), f"ConfigMap {ANCHORS}, {ANCHORS_KEY}")
    secret = await cluster.own("secrets", ISSUER)
    if secret is None:
        raise TrustProblem(f"there is no Secret {ISSUER} in namespace {cluster.namespace}")
    data = secret.get("data") or {}
    form = await _form(cluster, data)
    certificate, key = _FILES[form]
    chain = _certificates(_value(data, certificate, form), f"Secret {ISSUER}, {certificate}")
    _check_key(chain[0], _value(data, key, form), f"Secret {ISSUER}, {key}")
    return Trust(form, chain[0], chain[1:], anchors, bundle)


async def read_bundle(cluster: Cluster) -> str:
    """The trust anchors as text. Raises TrustProblem and KubeError."""
    found = await cluster.own("configmaps", ANCHORS)
    if found is None:
        raise TrustProblem(f"there is no ConfigMap {ANCHORS} in namespace {cluster.namespace}")
    bundle: str | None = (found.get("data") or {}).get(ANCHORS_KEY)
    if not bundle:
        raise TrustProblem(f"ConfigMap {ANCHORS} has no {ANCHORS_KEY}")
    return bundle


async def _form(cluster: Cluster, data: dict[str, str]) -> str:
    """What identity is told to expect; without an identity service, what the Secret looks like."""
    deployment = await cluster.own("deployments", "linkerd-identity", "/apis/apps/v1")
    told = [scheme for scheme in _schemes(deployment or {}) if scheme]
    if told:
        return told[-1] if told[-1] in _FILES else KUBERNETES_FORM
    return LINKERD_FORM if _FILES[LINKERD_FORM][0] in data else KUBERNETES_FORM


def _schemes(deployment: Object) -> list[str]:
    spec: dict[str, Any] = deployment.get("spec", {}).get("template", {}).get("spec", {})
    arguments = (a for c in spec.get("containers", ()) for a in c.get("args") or ())
    return [
        argument.rpartition("=")[2]
        for argument in arguments
        if argument.lstrip("-").startswith(_SCHEME_FLAG.lstrip("-"))
    ]


def _value(data: dict[str, str], key: str, form: str) -> bytes:
    if key not in data:
        has = ", ".join(sorted(data)) or "nothing"
        raise TrustProblem(f"Secret {ISSUER} has no {key}, which form {form} needs; it has {has}")
    try:
        return base64.b64decode(data[key], validate=True)
    except binascii.Error:
        raise TrustProblem(f"Secret {ISSUER}, {key}: not base64") from None


def _certificates(pem: bytes, where: str) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except ValueError as error:
        raise TrustProblem(f"{where}: not PEM certificates: {error}") from None


def _check_key(issuer: x509.Certificate, pem: bytes, where: str) -> None:
    try:
        key = load_pem_private_key(pem, password=None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The library's reason may quote the content.
        raise TrustProblem(f"{where}: no private key that can be read") from None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_bytes(*form) != issuer.public_key().public_bytes(*form):
        raise TrustProblem(f"{where}: this key does not belong to the certificate beside it")
