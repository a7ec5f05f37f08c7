"""Certificates in words, for messages and tables."""

from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

MALFORMED: Final = (
    ValueError,
    TypeError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    UnsupportedAlgorithm,
)
"""What the library raises when a part of a certificate, which it parses late, is malformed."""

_CURVES: Final = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


def describe(certificate: x509.Certificate) -> str:
    """Enough to find it again: its subject and serial number."""
    return f"{name(certificate.subject)} ({certificate.serial_number:x})"


def name(subject: x509.Name) -> str:
    """A name in one line, cut where it is very long."""
    return subject.rfc4514_string()[:200] or "(no name)"


def key_kind(certificate: x509.Certificate) -> str:
    """The key's algorithm and size, as `ECDSA P-256`."""
    try:
        key = certificate.public_key()
    except MALFORMED:
        return "unknown"
    match key:
        case ec.EllipticCurvePublicKey():
            return f"ECDSA {_CURVES.get(key.curve.name, key.curve.name)}"
        case rsa.RSAPublicKey():
            return f"RSA {key.key_size}"
        case ed25519.Ed25519PublicKey():
            return "Ed25519"
        case ed448.Ed448PublicKey():
            return "Ed448"
        case _:
            return type(key).__name__.removesuffix("PublicKey")


def signature_kind(certificate: x509.Certificate) -> str:
    """The algorithm that it is signed with, as `ecdsa-with-SHA256`."""
    oid = certificate.signature_algorithm_oid
    return str(getattr(oid, "_name", oid.dotted_string))


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 in lower-case hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def dns_names(certificate: x509.Certificate) -> list[str]:
    """The DNS names that it is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, *MALFORMED):
        return []
    return names.get_values_for_type(x509.DNSName)


def ending(certificate: x509.Certificate, now: datetime) -> str:
    """When it ends, or that it has, after its name in a sentence."""
    end = certificate.not_valid_after_utc
    left = end - now
    if left < timedelta(0):
        return f"has expired on {stamp(end)}"
    span = f"{left.days} days" if left.days > 1 else f"{left.total_seconds() / 3600:.1f} hours"
    return f"expires in {span}, on {stamp(end)}"


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC, as 2027-01-31T12:00:00Z."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
