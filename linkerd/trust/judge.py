"""Whether a bundle of trust anchors, an issuer's certificate and its key can be used.

All who ask go through here, with the bytes of the three and how to call them: reading them is the
first half of the judgement, finding the path from issuer to anchor the second. Nothing of the key
is ever in a message.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from linkerd.trust import pem, rules
from linkerd.trust.describe import MALFORMED, describe
from linkerd.trust.errors import PemError, TrustProblem
from linkerd.trust.facts import Facts
from linkerd.trust.paths import Path, Places, Trust, find_path

_TRIAL: Final = b"does this key belong to that certificate?"


@dataclass(frozen=True, slots=True)
class Pair:
    """Issuer and anchors that could be read, with the issuer's key."""

    trust: Trust
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Verdict:
    """That a pair can be used, by which path, and what is worth a warning."""

    path: Path
    warnings: tuple[str, ...]


def read_pair(bundle: bytes, certificate: bytes, key: bytes, places: Places) -> Pair:
    """The three texts, read. Raises TrustProblem when one is not what its place needs, or the key
    is not the issuer's."""
    anchors = read_certificates(bundle, places.anchors)
    private = _decode_key(key, places.key)
    issuer, *rest = read_certificates(certificate, places.certificate)
    if not _belongs(private, issuer):
        raise TrustProblem(
            places.key,
            f"this key does not belong to the issuer certificate {describe(issuer)} in "
            f"{places.certificate}: replace both together, the issuer first in its file",
        )
    return Pair(Trust(issuer, tuple(rest), anchors, places), private)


def judge(trust: Trust, identity: str, now: datetime) -> Verdict:
    """The verdict on issuer and anchors for a leaf named `identity`. Raises TrustProblem."""
    path = find_path(trust, identity, now)
    said = (warning(each) for each in (trust.issuer, *trust.anchors))
    return Verdict(path, tuple(text for text in said if text is not None))


def warning(certificate: x509.Certificate) -> str | None:
    """What is not wrong with it and may yet become a trouble, its end apart."""
    problem = rules.risk(Facts.of(certificate))
    return None if problem is None else f"{describe(certificate)} {problem}"


def read_certificates(text: bytes, where: str) -> tuple[x509.Certificate, ...]:
    """The certificates of a text that `where` names; at least one. Raises TrustProblem."""
    try:
        return pem.certificates(text)
    except PemError as error:
        raise TrustProblem(where, str(error)) from error


def _decode_key(text: bytes, where: str) -> ec.EllipticCurvePrivateKey:
    try:
        return pem.issuer_key(text)
    except PemError as error:
        raise TrustProblem(where, str(error)) from error


def _belongs(key: ec.EllipticCurvePrivateKey, issuer: x509.Certificate) -> bool:
    """Whether what the key signs is verified by the certificate; not only that both say the same
    public key, which a file of the key may get wrong."""
    try:
        public = issuer.public_key()
        if not isinstance(public, ec.EllipticCurvePublicKey) or public != key.public_key():
            return False
        algorithm = ec.ECDSA(hashes.SHA256())
        public.verify(key.sign(_TRIAL, algorithm), _TRIAL, algorithm)
    except (InvalidSignature, *MALFORMED):
        return False
    return True
