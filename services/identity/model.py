"""Domain values of the identity service. Frozen; no I/O, no Kubernetes, no protobuf.

Certificates and keys are the objects of `cryptography`: they are immutable, and parsing them once
is the point of having values.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from linkerd.trust.facts import Window
from linkerd.trust.paths import Trust


@dataclass(frozen=True, slots=True)
class SigningRequest:
    """What a PKCS#10 request says, parsed but not judged."""

    csr: x509.CertificateSigningRequest
    public_key: CertificatePublicKeyTypes | None
    """None: a kind of key that we cannot even represent."""
    common_names: tuple[str, ...]
    dns_names: tuple[str, ...]
    emails: tuple[str, ...]
    ip_addresses: tuple[str, ...]
    uris: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeafPolicy:
    """How long leaves live, and how far clocks may disagree: the validity of a leaf is wider than
    its lifetime by the allowance, on both ends."""

    lifetime: timedelta
    clock_skew: timedelta


@dataclass(frozen=True, slots=True)
class Issuer:
    """A CA that may sign leaves. A path leads from it to one of the anchors at any time in
    `trusted`: nothing else about a chain changes with time."""

    trust: Trust
    key: ec.EllipticCurvePrivateKey
    template: x509.CertificateBuilder
    """What all its leaves have in common."""
    identity: str
    """A name that leaves may have; name constraints are judged by it."""
    trusted: Window
    not_after: datetime
    """The earliest end among the certificates of the file: no leaf outlives it."""
    intermediates: tuple[bytes, ...]
    """DER of what peers need besides the leaf: issuer first, no roots."""
    warnings: tuple[str, ...]
    """What works and may yet become a trouble, as sentences."""

    @property
    def certificate(self) -> x509.Certificate:
        """That of the issuer."""
        return self.trust.issuer

    @property
    def anchors(self) -> tuple[x509.Certificate, ...]:
        """The bundle."""
        return self.trust.anchors


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate that was issued."""

    der: bytes
    not_after: datetime
    serial: int
    sha256: str
    """Of the DER, lower-case hexadecimal."""
