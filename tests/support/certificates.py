"""Certificates and requests for tests: good ones in one line, every kind of bad one by keyword.

Good authorities come from `linkerd.certificates`; `make_ca` makes those that a mesh should refuse.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from linkerd.certificates import Authority, make_issuer, make_trust_anchor
from linkerd.mesh.names import IdentityDomain

DOMAIN: Final = IdentityDomain("mesh-sys", "corp.example")
IDENTITY: Final = DOMAIN.workload("checkout", "shop")

_Edwards = ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | _Edwards

_FILES: Final = {
    "linkerd.io/tls": ("crt.pem", "key.pem"),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """A trust anchor and an issuer below it."""

    anchor: Authority
    issuer: Authority

    @classmethod
    def make(cls, domain: IdentityDomain = DOMAIN, *, now: datetime | None = None) -> "Credentials":
        """Fresh ones."""
        anchor = make_trust_anchor(domain, now=now)
        return cls(anchor, make_issuer(domain, anchor, now=now))

    def write(self, directory: Path, *, scheme: str = "linkerd.io/tls") -> tuple[Path, Path]:
        """Writes both below `directory`; the paths of the issuer's directory and the bundle."""
        issuer = directory / "issuer"
        write_issuer(issuer, self.issuer.certificate_pem, self.issuer.key_pem, scheme=scheme)
        bundle = directory / "trust-roots" / "ca-bundle.crt"
        bundle.parent.mkdir(parents=True, exist_ok=True)
        bundle.write_bytes(self.anchor.certificate_pem)
        return issuer, bundle


def write_issuer(
    directory: Path, certificate: bytes, key: bytes, *, scheme: str = "linkerd.io/tls"
) -> None:
    """Writes an issuer Secret's two files, as a mounted volume shows them."""
    directory.mkdir(parents=True, exist_ok=True)
    certificate_name, key_name = _FILES[scheme]
    (directory / certificate_name).write_bytes(certificate)
    (directory / key_name).write_bytes(key)


def p256() -> ec.EllipticCurvePrivateKey:
    """A fresh key of the kind that proxies use."""
    return ec.generate_private_key(ec.SECP256R1())


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    """One key of that size for all tests of a process, because to find one takes long."""
    return rsa.generate_private_key(65537, bits)


def key_pem(key: PrivateKey, format: PrivateFormat = PrivateFormat.PKCS8) -> bytes:  # noqa: A002  # cryptography's name
    """One PEM block; `TraditionalOpenSSL` gives `EC PRIVATE KEY` or `RSA PRIVATE KEY`."""
    return key.private_bytes(Encoding.PEM, format, NoEncryption())


def certificate_pem(*certificates: x509.Certificate) -> bytes:
    """PEM blocks, one after the other."""
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


def make_ca(
    common_name: str,
    key: PrivateKey,
    parent: tuple[x509.Certificate, PrivateKey] | None = None,
    *,
    ca: bool = True,
    path_length: int | None = None,
    start: datetime | None = None,
    lifetime: timedelta = timedelta(days=30),
    extensions: Sequence[x509.ExtensionType] = (),
    identifiers: bool = True,
) -> x509.Certificate:
    """A certificate of any quality, signed by `parent` or by itself.

    `extensions` are added, not critical; without `identifiers` there are no key identifiers.
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    issuer, signer = (subject, key) if parent is None else (parent[0].subject, parent[1])
    start = start or datetime.now(UTC) - timedelta(minutes=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + lifetime)
        .add_extension(x509.BasicConstraints(ca, path_length if ca else None), critical=True)
    )
    if identifiers:
        extensions = [
            *extensions,
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
        ]
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(signer, None if isinstance(signer, _Edwards) else hashes.SHA256())


def make_csr(
    identity: str = IDENTITY,
    key: PrivateKey | None = None,
    *,
    common_name: str | None = "",
    organization: str | None = None,
    names: Sequence[x509.GeneralName] | None = None,
    extensions: Sequence[x509.ExtensionType] = (),
) -> bytes:
    """A request in DER for `identity`, as a proxy makes it.

    `common_name` None stands for the identity; `names` replaces the one DNS name (empty: none).
    """
    key = key or p256()
    subject = _subject(identity if common_name is None else common_name, organization)
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    names = [x509.DNSName(identity)] if names is None else names
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    algorithm = None if isinstance(key, _Edwards) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(Encoding.DER)


def _subject(common_name: str, organization: str | None) -> x509.Name:
    attributes = []
    if organization is not None:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    if common_name:
        with warnings.catch_warnings():
            # Proxies with long names break the bound of 64 characters, so tests must be able to.
            warnings.simplefilter("ignore", UserWarning)
            attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name, _validate=False))
    return x509.Name(attributes)
