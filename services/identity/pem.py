"""PEM text into certificates and keys, by the rules that issuer Secrets are written for.

The rules are upstream's, since the same files must work: leading text before a block is skipped, a
block that is no certificate ends a list of certificates, text that is no PEM after a certificate is
an error, and of a key file only the first block counts. One difference: blank lines at the end of a
file are fine. A block whose content is broken is an error, never skipped.
"""

import base64
import binascii
import re
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

from services.identity.errors import PemError

_BLOCK: Final = re.compile(
    rb"^-----BEGIN (?P<type>[^\r\n]*)-----[ \t]*\r?\n"
    rb"(?P<body>[^-]*)"
    rb"^-----END (?P=type)-----[ \t]*(?:\r?\n|\Z)",
    re.MULTILINE,
)
_CERTIFICATE: Final = "CERTIFICATE"
_KEY_TYPES: Final = ("EC PRIVATE KEY", "RSA PRIVATE KEY", "PRIVATE KEY")
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


class _Block(NamedTuple):
    type: str
    der: bytes
    rest: bytes


def certificates(text: bytes) -> tuple[x509.Certificate, ...]:
    """The CERTIFICATE blocks of `text`, in order; at least one. Raises PemError."""
    found: list[x509.Certificate] = []
    while text.strip():
        block = _next_block(text)
        if block is None:
            raise PemError(_stray_text(len(found)))
        if block.type != _CERTIFICATE:
            break
        found.append(_certificate(block.der, len(found) + 1))
        text = block.rest
    if not found:
        raise PemError("no certificates: it must begin with a CERTIFICATE block")
    return tuple(found)


def issuer_key(text: bytes) -> ec.EllipticCurvePrivateKey:
    """The key in the first block of `text`: SEC1 or PKCS#8, on P-256, P-384 or P-521.

    Raises PemError, which never holds anything of the text.
    """
    block = _next_block(text)
    if block is None:
        raise PemError(
            "no PEM block: it must hold a private key in an EC PRIVATE KEY or PRIVATE KEY block"
        )
    if block.type not in _KEY_TYPES:
        raise PemError(_unsupported_block(block.type))
    try:
        key = load_der_private_key(block.der, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The library's reason may quote the content.
        raise PemError(f"the {block.type} block does not hold a key that can be read") from None
    if isinstance(key, rsa.RSAPrivateKey):
        raise PemError(_RSA_ISSUER)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, _CURVES):
        raise PemError(
            "the key must be ECDSA on P-256 (P-384 and P-521 work too): proxies take no other"
        )
    return key


def _next_block(text: bytes) -> _Block | None:
    match = _BLOCK.search(text)
    if match is None:
        return None
    kind = match["type"].decode("ascii", "replace")
    try:
        der = base64.b64decode(b"".join(match["body"].split()), validate=True)
    except binascii.Error:
        raise PemError(f"a {kind[:64]!r} block is not valid base64") from None
    return _Block(kind, der, text[match.end() :])


def _certificate(der: bytes, position: int) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise PemError(f"certificate {position} does not parse: {error}") from error


def _stray_text(after: int) -> str:
    where = f"after certificate {after}" if after else "it"
    return f"{where} is not a PEM certificate: remove whatever is not a CERTIFICATE block"


def _unsupported_block(kind: str) -> str:
    fix = {
        "EC PARAMETERS": "remove it, or make the key with `openssl ecparam -noout -genkey`",
        "ENCRYPTED PRIVATE KEY": "decrypt it first, with `openssl pkey`",
    }.get(kind, f"the first block must be one of {', '.join(_KEY_TYPES)}")
    return f"unsupported block type {kind[:64]!r}: {fix}"


_RSA_ISSUER: Final = (
    "the key is RSA, and issuers must be ECDSA: leaves are signed with ECDSA-SHA256. Make an "
    "issuer with a P-256 key; the trust anchor above it may be RSA"
)
