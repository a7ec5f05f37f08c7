"""PEM text into certificates and keys, by the rules that issuer Secrets are written for.

The rules are upstream's, since the same files must work: leading text before a block is skipped, a
block that is no certificate ends a list of certificates, text that is no PEM after a certificate is
an error, and of a key file only the first block counts. One difference: blank lines at the end of a
file are fine. A block whose content is broken is an error, never skipped. What an error says of a
text is its form; of a key's content it says nothing.
"""

import base64
import binascii
import re
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_private_key

from linkerd.trust.describe import MALFORMED
from linkerd.trust.errors import PemError
from linkerd.trust.rules import ISSUER_CURVES

_BLOCK: Final = re.compile(
    rb"^-----BEGIN (?P<type>[^\r\n]*)-----[ \t]*\r?\n"
    rb"(?P<headers>(?:[A-Za-z][A-Za-z0-9-]*:[^\r\n]*\r?\n)*)"
    rb"(?P<body>[^-]*)"
    rb"^-----END (?P=type)-----[ \t]*(?:\r?\n|\Z)",
    re.MULTILINE,
)
_CERTIFICATE: Final = "CERTIFICATE"
_KEY_TYPES: Final = ("EC PRIVATE KEY", "RSA PRIVATE KEY", "PRIVATE KEY")
_ENCODED_TWICE: Final = b"LS0tLS1CRUdJTi"  # "-----BEGIN" in base64
_ASN1: Final = b"\x30"  # how all DER begins, certificates, keys and PKCS #12 alike


class _Block(NamedTuple):
    type: str
    headers: bytes
    der: bytes
    rest: bytes


def certificates(text: bytes) -> tuple[x509.Certificate, ...]:
    """The CERTIFICATE blocks of `text`, in order; at least one. Raises PemError."""
    found: list[x509.Certificate] = []
    while text.strip():
        block = _next_block(text)
        if block is None:
            raise PemError(_stray_text(text, len(found)))
        if block.type != _CERTIFICATE:
            if not found:
                raise PemError(_no_certificate(block.type))
            break
        found.append(_certificate(block.der, len(found) + 1))
        text = block.rest
    if not found:
        raise PemError("it is empty: it must hold certificates, each in a CERTIFICATE block")
    return tuple(found)


def issuer_key(text: bytes) -> ec.EllipticCurvePrivateKey:
    """The key in the first block of `text`: SEC1 or PKCS#8, on P-256, P-384 or P-521.

    Raises PemError, which never holds anything of the text.
    """
    key = private_key(text)
    if isinstance(key, rsa.RSAPrivateKey):
        raise PemError(_RSA_ISSUER)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ISSUER_CURVES):
        raise PemError(
            "the key must be ECDSA on P-256 (P-384 and P-521 work too): proxies take no other. "
            "Make an issuer with a P-256 key"
        )
    return key


def private_key(text: bytes) -> PrivateKeyTypes:
    """The key in the first block of `text`, of any kind: SEC1, PKCS#1 or PKCS#8. Raises PemError as
    `issuer_key` does."""
    block = _next_block(text)
    if block is None:
        need = "it must hold a private key in an EC PRIVATE KEY or PRIVATE KEY block"
        raise PemError(f"no PEM block ({_form(text)}): {need}")
    if block.type not in _KEY_TYPES:
        raise PemError(_unsupported_block(block.type))
    if b"ENCRYPTED" in block.headers:
        raise PemError(f"the {block.type} block is encrypted with a pass phrase: {_DECRYPT}")
    try:
        return load_der_private_key(block.der, password=None)
    except MALFORMED:
        # The library's reason may quote the content.
        raise PemError(
            f"the {block.type} block does not hold a key that can be read: copy the file anew, or "
            "make a new one with its certificate"
        ) from None


def _next_block(text: bytes) -> _Block | None:
    match = _BLOCK.search(text)
    if match is None:
        return None
    kind = match["type"].decode("ascii", "replace")
    try:
        der = base64.b64decode(b"".join(match["body"].split()), validate=True)
    except binascii.Error:
        raise PemError(f"a {kind[:64]!r} block is not valid base64: copy the file anew") from None
    return _Block(kind, match["headers"], der, text[match.end() :])


def _certificate(der: bytes, position: int) -> x509.Certificate:
    try:
        certificate = x509.load_der_x509_certificate(der)
        # The library parses these when they are asked for; nobody after this wants to be surprised.
        for name in (certificate.subject, certificate.issuer):
            name.rfc4514_string()
    except MALFORMED as error:
        raise PemError(f"certificate {position} does not parse: {error}") from error
    return certificate


def _stray_text(text: bytes, after: int) -> str:
    fix = "remove whatever is not a CERTIFICATE block"
    if after:
        return f"what follows certificate {after} is not a PEM certificate ({_form(text)}): {fix}"
    return f"it is not a PEM certificate ({_form(text)}): {fix}"


def _form(text: bytes) -> str:
    """What text without a block looks like."""
    if not text.strip():
        return "it is empty"
    if text.lstrip().startswith(_ENCODED_TWICE):
        return "it is PEM in base64: encoded once too often"
    if text.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return "it begins with a byte order mark: save it as plain ASCII"
    if text.startswith(_ASN1):
        return "it looks like DER or PKCS #12: convert it with openssl"
    if re.search(rb"^[ \t]+-----BEGIN", text, re.MULTILINE):
        return "its lines are indented"
    if b"-----BEGIN" in text:
        return "its block is cut off, or spoilt: -----BEGIN has no -----END"
    return "it has no -----BEGIN line"


def _no_certificate(kind: str) -> str:
    fix = {
        "TRUSTED CERTIFICATE": "convert it with `openssl x509`",
        "PKCS7": "convert it with `openssl pkcs7 -print_certs`",
        "CERTIFICATE REQUEST": "it is what a CA makes a certificate of; put that here",
    }.get(kind, "it must begin with a CERTIFICATE block")
    if kind.endswith("PRIVATE KEY"):
        fix = "it must begin with a CERTIFICATE block; certificate and key may be swapped"
    return f"no certificates: the first block is {kind[:64]!r}: {fix}"


def _unsupported_block(kind: str) -> str:
    fix = {
        "EC PARAMETERS": "remove it, or make the key with `openssl ecparam -noout -genkey`",
        "ENCRYPTED PRIVATE KEY": _DECRYPT,
        "CERTIFICATE": "the key belongs here; certificate and key may be swapped",
        "PUBLIC KEY": "the private key belongs here",
        "OPENSSH PRIVATE KEY": "convert it with `ssh-keygen -p -m PKCS8`",
    }.get(kind, f"the first block must be one of {', '.join(_KEY_TYPES)}")
    return f"unsupported block type {kind[:64]!r}: {fix}"


_DECRYPT: Final = "decrypt it first, with `openssl pkey -in FILE -out FILE.decrypted`"
_RSA_ISSUER: Final = (
    "the key is RSA, and issuers must be ECDSA: leaves are signed with ECDSA-SHA256. Make an "
    "issuer with a P-256 key; the trust anchor above it may be RSA"
)
