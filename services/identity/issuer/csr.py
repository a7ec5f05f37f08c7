"""What a workload's certificate signing request says, and whether it may be granted.

Proxies send PKCS#10 in DER. Parsing raises InvalidRequestError and nothing else, whatever the
bytes; `check_*` judge what was parsed, in the order in which the server calls them. Nothing of a
request reaches a certificate but its public key and the bare fact that it named the identity.
"""

import warnings
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import NameOID

from services.identity.errors import InvalidRequestError, RefusedError, UnsignableKeyError, shown
from services.identity.model import SigningRequest

MAX_BYTES: Final = 8 * 1024
"""Bounds the work for one request, 3 ms at worst."""

SMALL_BYTES: Final = 1024
"""What proxies send fits, whatever their name, and is parsed within 0.3 ms whatever it says."""

LONG_NAME_WARNING: Final = "Attribute's length must be"

_CURVES: Final = (ec.SECP224R1, ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_FIELD: Final = "certificate_signing_request"

_PARSE_ERRORS: Final = (
    ValueError,
    TypeError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


def ignore_long_names() -> None:
    """Lets the process ignore that the library warns of common names over 64 characters: proxies of
    workloads with long names send them, and no harm is done, as they are only compared."""
    warnings.filterwarnings("ignore", LONG_NAME_WARNING, UserWarning)


def check_size(der: bytes) -> None:
    """Whether the request is small enough to be parsed. Raises InvalidRequestError."""
    if len(der) > MAX_BYTES:
        raise InvalidRequestError(
            f"{_FIELD} has {len(der)} bytes; at most {MAX_BYTES} are accepted"
        )


def parse(der: bytes) -> SigningRequest:
    """The facts of a request whose size was checked. Raises InvalidRequestError. Any thread."""
    try:
        return _facts(x509.load_der_x509_csr(der))
    except _PARSE_ERRORS as error:
        hint = "it is PEM; send DER" if der.lstrip().startswith(b"-----BEGIN") else str(error)
        raise InvalidRequestError(f"{_FIELD} is not a PKCS#10 request in DER: {hint}") from error


def check_names(request: SigningRequest, identity: str) -> None:
    """Whether the request names `identity` and nothing else. Raises RefusedError."""
    if len(request.dns_names) != 1:
        raise RefusedError(
            f"{_FIELD} must have exactly one DNS name in its subject alternative name, "
            f"and has {len(request.dns_names)}"
        )
    if request.dns_names[0] != identity:
        raise RefusedError(
            f"{_FIELD} is for another name than identity: "
            f"csr={shown(request.dns_names[0])} req={shown(identity)}"
        )
    for name in request.common_names:
        if name not in {"", identity}:
            raise RefusedError(
                f"{_FIELD} has common name {shown(name)}: it must be empty or the identity"
            )
    _check_no_other_names(request)


def check_key(request: SigningRequest) -> ec.EllipticCurvePublicKey:
    """The public key, if it is ECDSA. Raises UnsignableKeyError."""
    if not isinstance(request.public_key, ec.EllipticCurvePublicKey):
        raise UnsignableKeyError(f"{_FIELD} must contain an ECDSA public key: proxies use P-256")
    return request.public_key


def check_possession(request: SigningRequest) -> None:
    """Whether the request is signed by the key that it wants certified. Raises RefusedError.

    Costs as much as issuing does, so it comes last, when the caller is known.
    """
    try:
        valid = request.csr.is_signature_valid
    except (ValueError, UnsupportedAlgorithm):
        valid = False
    if not valid:
        raise RefusedError(f"{_FIELD} is not signed by the private key of the public key in it")


def _check_no_other_names(request: SigningRequest) -> None:
    others = {
        "e-mail addresses": request.emails,
        "IP addresses": request.ip_addresses,
        "URIs": request.uris,
    }
    for kind, names in others.items():
        if names:
            raise RefusedError(
                f"{_FIELD} asks for {kind} ({shown(names[0])}), which this service cannot validate"
            )


def _facts(csr: x509.CertificateSigningRequest) -> SigningRequest:
    names = _alternative_names(csr)
    dns_names = tuple(names.get_values_for_type(x509.DNSName))
    if not all(map(str.isascii, dns_names)):
        raise ValueError("a DNS name is not ASCII")
    return SigningRequest(
        csr=csr,
        public_key=_public_key(csr),
        common_names=_common_names(csr),
        dns_names=dns_names,
        emails=tuple(names.get_values_for_type(x509.RFC822Name)),
        ip_addresses=tuple(map(str, names.get_values_for_type(x509.IPAddress))),
        uris=tuple(names.get_values_for_type(x509.UniformResourceIdentifier)),
    )


def _alternative_names(csr: x509.CertificateSigningRequest) -> x509.SubjectAlternativeName:
    try:
        return csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return x509.SubjectAlternativeName([])


def _common_names(csr: x509.CertificateSigningRequest) -> tuple[str, ...]:
    found = csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return tuple(
        each.value if isinstance(each.value, str) else each.value.decode("latin-1")
        for each in found
    )


def _public_key(csr: x509.CertificateSigningRequest) -> CertificatePublicKeyTypes | None:
    try:
        key = csr.public_key()
    except UnsupportedAlgorithm:
        return None
    if isinstance(key, ec.EllipticCurvePublicKey) and not isinstance(key.curve, _CURVES):
        raise InvalidRequestError(f"{_FIELD} has a key on an unsupported curve: {key.curve.name}")
    return key
