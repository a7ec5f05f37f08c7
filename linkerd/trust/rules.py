"""What a single authority must be. Pure functions; None: nothing is wrong.

The rules are those of who verifies: what every proxy takes, and Go and openssl beside them, is
fine. Each answer ends a sentence that begins with the certificate.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, SignatureAlgorithmOID

from linkerd.trust.describe import MALFORMED, key_kind, signature_kind, stamp
from linkerd.trust.facts import Facts

SOON: Final = timedelta(days=60)
"""How long before its end an authority is worth a warning."""

ISSUER_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_RSA_BITS: Final = range(2048, 8192 + 1)
_ECDSA: Final = (SignatureAlgorithmOID.ECDSA_WITH_SHA256, SignatureAlgorithmOID.ECDSA_WITH_SHA384)
_P521: Final = (*_ECDSA, SignatureAlgorithmOID.ECDSA_WITH_SHA512)
_RSA: Final = (
    SignatureAlgorithmOID.RSA_WITH_SHA256,
    SignatureAlgorithmOID.RSA_WITH_SHA384,
    SignatureAlgorithmOID.RSA_WITH_SHA512,
    SignatureAlgorithmOID.RSASSA_PSS,
)
_USAGES: Final = {
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
}

_LATE: Final = "replace it, as docs/identity-rotation.md says"
_EARLY: Final = "wait until then, or set the clock right"

Rule = Callable[[Facts], str | None]


def key(facts: Facts) -> str | None:
    """Its key must be of a kind whose signatures proxies verify."""
    if _signatures(facts):
        return None
    return (
        f"has a key of kind {key_kind(facts.certificate)}, whose signatures proxies do not verify: "
        "use ECDSA P-256 (P-384, Ed25519 and RSA of 2048 bits or more do too)"
    )


def signature_by(facts: Facts, signer: Facts) -> str | None:
    """It must be signed with an algorithm that proxies verify with the key of `signer`."""
    if facts.certificate.signature_algorithm_oid in _signatures(signer):
        return None
    return (
        f"is signed with {signature_kind(facts.certificate)} by a key of kind "
        f"{key_kind(signer.certificate)}, which proxies do not verify: have it signed with SHA-256"
    )


def risk(facts: Facts) -> str | None:
    """What newer proxies verify and older ones do not."""
    if key_kind(facts.certificate) == "ECDSA P-521":
        return "has a key on P-521, which older proxies do not verify: P-256 suits all"
    if facts.certificate.signature_algorithm_oid == SignatureAlgorithmOID.RSASSA_PSS:
        return "is signed with RSA-PSS, which not every proxy verifies: PKCS #1 v1.5 suits all"
    return None


def validity(certificate: x509.Certificate, now: datetime) -> str | None:
    """It must be valid now."""
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < start:
        return f"is not valid before {stamp(start)}, and now it is {stamp(now)}: {_EARLY}"
    if now > end:
        return f"has expired on {stamp(end)}, and now it is {stamp(now)}: {_LATE}"
    return None


def expiry(certificate: x509.Certificate, now: datetime) -> str | None:
    """It should be valid for `SOON` from now."""
    end = certificate.not_valid_after_utc
    if now > end:
        return f"expired on {stamp(end)}"
    return f"will expire on {stamp(end)}" if now + SOON > end else None


def is_authority(facts: Facts) -> str | None:
    """It must say that it may sign certificates."""
    constraints = facts.extension(x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        return "is not a CA: it lacks CA:TRUE; make it anew with that"
    usage = facts.extension(x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        return "may not sign: its key usage lacks keyCertSign; make it anew with that, or with none"
    return None


def is_anchor(facts: Facts) -> str | None:
    """The same of a root. One of X.509 version 1 cannot say so, and is believed."""
    return None if facts.first_version else is_authority(facts)


def usages(facts: Facts) -> str | None:
    """Usages of an authority bound those of its leaves, which are servers and clients."""
    usages = facts.extension(x509.ExtendedKeyUsage)
    if usages is None:
        return None
    missing = [text for usage, text in _USAGES.items() if usage not in usages]
    if not missing:
        return None
    return (
        f"has extended key usages that leave out {' and '.join(missing)}: add them, or leave the "
        "extension out"
    )


def understood(facts: Facts) -> str | None:
    """Proxies must understand what it calls critical."""
    if facts.malformed is not None:
        return f"has extensions that cannot be read ({facts.malformed}): make it anew"
    if strange := facts.strange():
        listed = ", ".join(strange)
        return f"has critical extensions that proxies do not know, {listed}: make it without them"
    return None


def path_length(facts: Facts, below: int) -> str | None:
    """It must allow `below` further authorities between it and a leaf."""
    constraints = facts.extension(x509.BasicConstraints)
    limit = None if constraints is None else constraints.path_length
    if limit is None or limit >= below:
        return None
    return (
        f"allows {limit} authorities below it (its path length), and there are {below}: make it "
        "anew with a greater one, or with none"
    )


def first_problem(facts: Facts, rules: Sequence[Rule]) -> str | None:
    """What the first rule that does not hold says."""
    return next((said for rule in rules if (said := rule(facts)) is not None), None)


def _signatures(signer: Facts) -> Sequence[x509.ObjectIdentifier]:
    """The algorithms by which its key may sign; none for keys of other kinds."""
    try:
        public = signer.certificate.public_key()
    except MALFORMED:
        return ()
    match public:
        case ec.EllipticCurvePublicKey(curve=ec.SECP256R1() | ec.SECP384R1()):
            return _ECDSA
        case ec.EllipticCurvePublicKey(curve=ec.SECP521R1()):
            return _P521
        case rsa.RSAPublicKey() if public.key_size in _RSA_BITS:
            return _RSA
        case ed25519.Ed25519PublicKey():
            return (SignatureAlgorithmOID.ED25519,)
        case _:
            return ()
