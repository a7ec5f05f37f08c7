"""Make the certificate authorities of a mesh, a trust anchor and issuers that it signs, and the
certificates by which its webhooks serve HTTPS.

Called by whatever installs a mesh and by tests; the identity service never makes an authority of
its own. What it makes is what proxies and `openssl verify -x509_strict` accept: P-256 keys,
ECDSA-SHA256 signatures, critical CA:TRUE, key and authority identifiers, random serials.
Keys stay in memory: whoever calls writes the files, with mode 0600.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from linkerd.mesh.names import IdentityDomain

ANCHOR_LIFETIME: Final = timedelta(days=3650)
ISSUER_LIFETIME: Final = timedelta(days=365)
CLOCK_SKEW: Final = timedelta(seconds=10)

# RFC 5280's upper bound of a common name. It is a label for people: nothing matches on it.
_MAX_COMMON_NAME: Final = 64


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """One CERTIFICATE block."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """One PRIVATE KEY block (PKCS#8, not encrypted)."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class Authority(Certified):
    """One that may sign others."""


def make_trust_anchor(
    domain: IdentityDomain, *, lifetime: timedelta = ANCHOR_LIFETIME, now: datetime | None = None
) -> Authority:
    """A self-signed root named `root.<controller namespace>.<trust domain>`, without a limit on
    the length of the chains below it. `now` is for tests."""
    name = f"root.{domain.controller_namespace}.{domain.trust_domain}"
    return make_authority(name, lifetime=lifetime, now=now)


def make_issuer(
    domain: IdentityDomain,
    anchor: Authority,
    *,
    lifetime: timedelta = ISSUER_LIFETIME,
    now: datetime | None = None,
) -> Authority:
    """An issuer named `identity.<controller namespace>.<trust domain>`, signed by `anchor`.

    It may sign leaves only (path length 0), and never outlives its anchor.
    """
    name = f"identity.{domain.controller_namespace}.{domain.trust_domain}"
    return make_authority(name, anchor, lifetime=lifetime, path_length=0, now=now)


def make_authority(
    common_name: str,
    parent: Authority | None = None,
    *,
    lifetime: timedelta,
    path_length: int | None = None,
    now: datetime | None = None,
) -> Authority:
    """A CA with a fresh P-256 key, signed by `parent`, or by itself when there is none."""
    key = ec.generate_private_key(ec.SECP256R1())
    start = now or datetime.now(UTC)
    end = start + lifetime + CLOCK_SKEW
    signer = key
    issuer = subject = _name(common_name)
    if parent is not None:
        end = min(end, parent.certificate.not_valid_after_utc)
        signer = parent.key
        issuer = parent.certificate.subject
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - CLOCK_SKEW)
        .not_valid_after(end)
    )
    return Authority(_with_ca_extensions(builder, key, signer, path_length), key)


def make_server(
    names: Sequence[str],
    authority: Authority,
    *,
    lifetime: timedelta,
    now: datetime | None = None,
) -> Certified:
    """A certificate for an HTTPS server of these DNS names, with a fresh P-256 key, signed by
    `authority`, which it does not outlive."""
    key = ec.generate_private_key(ec.SECP256R1())
    start = now or datetime.now(UTC)
    end = min(start + lifetime + CLOCK_SKEW, authority.certificate.not_valid_after_utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(names[0]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - CLOCK_SKEW)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(_SERVER_KEY_USAGE, True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), False
        )
    )
    return Certified(builder.sign(authority.key, hashes.SHA256()), key)


def _with_ca_extensions(
    builder: x509.CertificateBuilder,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    path_length: int | None,
) -> x509.Certificate:
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), True)
        .add_extension(_CA_KEY_USAGE, True)
        .add_extension(x509.ExtendedKeyUsage(usages), False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False
        )
        .sign(signer, hashes.SHA256())
    )


def _name(common_name: str) -> x509.Name:
    shown = common_name[:_MAX_COMMON_NAME].rstrip(".")
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, shown)])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


_CA_KEY_USAGE: Final = _key_usage(signs_certificates=True)
_SERVER_KEY_USAGE: Final = _key_usage(signs_certificates=False)
