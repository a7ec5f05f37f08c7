"""What is wrong with a certificate authority of a mesh. Pure functions; None: nothing.

The rules are those that installing tools have always held authorities to. They are narrower than
what proxies can verify, so that everything in the mesh can.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import SignatureAlgorithmOID

SOON: Final = timedelta(days=60)

_ECDSA: Final = SignatureAlgorithmOID.ECDSA_WITH_SHA256
_RSA: Final = SignatureAlgorithmOID.RSA_WITH_SHA256
_ROOT_KEY_SIZES: Final = (2048, 4096)
_MAX_DEPTH: Final = 10


def describe(certificate: x509.Certificate) -> str:
    """Enough to find it again: its subject and serial number."""
    return f"{name(certificate.subject)} ({certificate.serial_number:x})"


def name(subject: x509.Name) -> str:
    """A name in one line."""
    return subject.rfc4514_string() or "(no name)"


def key_kind(certificate: x509.Certificate) -> str:
    """The key's algorithm and size, as `ECDSA P-256`."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return "unknown"
    if isinstance(key, ec.EllipticCurvePublicKey):
        names = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
        return f"ECDSA {names.get(key.curve.name, key.curve.name)}"
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    return "Ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else type(key).__name__


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
    except (x509.ExtensionNotFound, ValueError):
        return []
    return names.get_values_for_type(x509.DNSName)


def issuer_algorithm(issuer: x509.Certificate) -> str | None:
    """An issuer's key must be ECDSA P-256; whoever signed it may be RSA."""
    if (kind := key_kind(issuer)) != "ECDSA P-256":
        return f"must use a P-256 curve for its public key, instead {kind} was used"
    return _signature(issuer, (_ECDSA, _RSA))


def anchor_algorithm(anchor: x509.Certificate) -> str | None:
    """A root's key must be ECDSA P-256, or RSA of 2048 or 4096 bits."""
    kind = key_kind(anchor)
    if kind == "ECDSA P-256":
        return _signature(anchor, (_ECDSA,))
    if kind in {f"RSA {size}" for size in _ROOT_KEY_SIZES}:
        return _signature(anchor, (_RSA,))
    return f"must use ECDSA P-256, or RSA 2048 or 4096, for its public key, instead {kind} was used"


def validity(certificate: x509.Certificate, now: datetime) -> str | None:
    """It must be valid now."""
    if now < certificate.not_valid_before_utc:
        return f"not valid before: {stamp(certificate.not_valid_before_utc)}"
    if now > certificate.not_valid_after_utc:
        return f"not valid anymore. Expired on {stamp(certificate.not_valid_after_utc)}"
    return None


def expiry(certificate: x509.Certificate, now: datetime) -> str | None:
    """It should be valid for `SOON` from now."""
    end = certificate.not_valid_after_utc
    return f"will expire on {stamp(end)}" if now + SOON > end else None


def chain(
    issuer: x509.Certificate,
    intermediates: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    now: datetime,
) -> str | None:
    """A path of authorities, each signed by the next and valid now, must lead to an anchor."""
    if not _is_ca(issuer, below=0):
        return f"{describe(issuer)} is not a CA: it lacks CA:TRUE"
    if _leads(issuer, intermediates, anchors, now, below=0):
        return None
    roots = ", ".join(describe(anchor) for anchor in anchors)
    return (
        f"{describe(issuer)}, signed by {name(issuer.issuer)}, does not lead to a trust anchor "
        f"that is valid now; there are: {roots}"
    )


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC, as 2027-01-31T12:00:00Z."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _signature(
    certificate: x509.Certificate, allowed: Sequence[x509.ObjectIdentifier]
) -> str | None:
    if certificate.signature_algorithm_oid in allowed:
        return None
    names = " or ".join(str(getattr(oid, "_name", oid.dotted_string)) for oid in allowed)
    return f"must be signed by {names}, instead {signature_kind(certificate)} was used"


def _leads(
    certificate: x509.Certificate,
    intermediates: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    now: datetime,
    below: int,
) -> bool:
    if validity(certificate, now) or below > _MAX_DEPTH:
        return False
    if certificate in anchors:
        return True
    return any(
        _leads(parent, intermediates, anchors, now, below + 1)
        for parent in _parents(certificate, [*anchors, *intermediates])
        if _is_ca(parent, below=below + 1)
    )


def _parents(
    certificate: x509.Certificate, candidates: Sequence[x509.Certificate]
) -> Iterator[x509.Certificate]:
    for candidate in candidates:
        try:
            certificate.verify_directly_issued_by(candidate)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            continue
        if candidate != certificate:
            yield candidate


def _is_ca(certificate: x509.Certificate, below: int) -> bool:
    """Whether it is an authority that allows `below` further ones between it and a leaf."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    limit = constraints.path_length
    return constraints.ca and (limit is None or limit >= below)
