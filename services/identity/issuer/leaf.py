"""Leaf certificates: the template, and signing.

Differences from upstream, all safe for proxies, which look at none of it:
- serials are 159 random bits, not a counter that every replica starts at 1;
- of the subject that a workload asks for only the common name is kept, and only where it is the
  identity: other attributes would be statements that nobody checked. A name longer than the 64
  characters that a common name may have gives an empty subject and a critical SAN.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from linkerd.trust.facts import Window
from services.identity.model import Issuer, Leaf, LeafPolicy, SigningRequest

_MAX_COMMON_NAME: Final = 64


def issue(
    issuer: Issuer,
    request: SigningRequest,
    public_key: ec.EllipticCurvePublicKey,
    identity: str,
    validity: Window,
) -> Leaf:
    """Certifies `public_key` for `identity`. Checks nothing: `request` was judged before."""
    subject = identity if identity in request.common_names else ""
    certificate = sign_leaf(
        issuer.template, issuer.key, public_key, identity, validity, common_name=subject
    )
    der = certificate.public_bytes(Encoding.DER)
    return Leaf(
        der=der,
        not_after=validity.end,
        serial=certificate.serial_number,
        sha256=hashlib.sha256(der).hexdigest(),
    )


def validity(policy: LeafPolicy, now: datetime, limit: datetime) -> Window:
    """When a leaf issued at `now` is valid: whole seconds, and not after `limit`."""
    start = now - policy.clock_skew
    end = now + policy.lifetime + policy.clock_skew
    return Window(_whole(start), min(_whole(end), limit))


def template(issuer: x509.Certificate) -> x509.CertificateBuilder:
    """What all leaves of an issuer have in common."""
    builder = (
        x509.CertificateBuilder()
        .issuer_name(issuer.subject)
        .add_extension(_KEY_USAGE, critical=True)
        .add_extension(_EXTENDED_KEY_USAGE, critical=False)
    )
    if (authority := _authority_key(issuer)) is not None:
        builder = builder.add_extension(authority, critical=False)
    return builder


def sign_leaf(
    template: x509.CertificateBuilder,
    issuer_key: ec.EllipticCurvePrivateKey,
    public_key: ec.EllipticCurvePublicKey,
    identity: str,
    validity: Window,
    *,
    common_name: str = "",
) -> x509.Certificate:
    """A leaf of the issuer that `template` was made for."""
    subject = _subject(common_name)
    return (
        template.subject_name(subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity.start)
        .not_valid_after(validity.end)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(identity)]), critical=not list(subject)
        )
        .sign(issuer_key, hashes.SHA256())
    )


def _subject(common_name: str) -> x509.Name:
    if not 0 < len(common_name) <= _MAX_COMMON_NAME:
        return x509.Name([])
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _authority_key(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier | None:
    """Points at the issuer's own identifier; without one there is nothing to point at."""
    try:
        identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return None
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _whole(moment: datetime) -> datetime:
    return moment - timedelta(microseconds=moment.microsecond)


_KEY_USAGE: Final = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=True,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
_EXTENDED_KEY_USAGE: Final = x509.ExtendedKeyUsage(
    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
)
