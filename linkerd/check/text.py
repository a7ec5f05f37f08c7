"""A certificate for people to read, laid out as openssl does."""

from collections.abc import Iterator
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from linkerd.trust.describe import fingerprint, key_kind, name, signature_kind

_TIME: Final = "%b %e %H:%M:%S %Y UTC"
_KEY_USAGES: Final = {
    "digital_signature": "Digital Signature",
    "content_commitment": "Non Repudiation",
    "key_encipherment": "Key Encipherment",
    "data_encipherment": "Data Encipherment",
    "key_agreement": "Key Agreement",
    "key_cert_sign": "Certificate Sign",
    "crl_sign": "CRL Sign",
}
_EXTENDED_USAGES: Final = {
    ExtendedKeyUsageOID.SERVER_AUTH: "TLS Web Server Authentication",
    ExtendedKeyUsageOID.CLIENT_AUTH: "TLS Web Client Authentication",
}


def certificate_text(certificate: x509.Certificate) -> str:
    """Many lines, without the bytes of key and signature."""
    return "\n".join(_lines(certificate))


def _lines(certificate: x509.Certificate) -> Iterator[str]:
    serial = certificate.serial_number
    octets = serial.to_bytes(serial.bit_length() // 8 + 1).lstrip(b"\0") or b"\0"
    yield "Certificate:"
    yield "    Data:"
    yield f"        Version: {certificate.version.value + 1} ({hex(certificate.version.value)})"
    yield f"        Serial Number: {_colons(octets)}"
    yield f"        Signature Algorithm: {signature_kind(certificate)}"
    yield f"        Issuer: {name(certificate.issuer)}"
    yield "        Validity"
    yield f"            Not Before: {certificate.not_valid_before_utc:{_TIME}}"
    yield f"            Not After : {certificate.not_valid_after_utc:{_TIME}}"
    yield f"        Subject: {name(certificate.subject)}"
    yield "        Subject Public Key Info:"
    yield f"            Public Key Algorithm: {key_kind(certificate)}"
    yield "        X509v3 extensions:"
    for extension in _extensions(certificate):
        critical = " critical" if extension.critical else ""
        yield f"            X509v3 {_title(extension.value)}:{critical}"
        yield f"                {_content(extension.value)}"
    yield f"    SHA-256 Fingerprint: {fingerprint(certificate)}"


def _extensions(certificate: x509.Certificate) -> Iterator[x509.Extension[x509.ExtensionType]]:
    try:
        yield from certificate.extensions
    except ValueError:
        return  # some extension is malformed; the rest of the text is still worth reading


def _title(value: x509.ExtensionType) -> str:
    words = {
        x509.KeyUsage: "Key Usage",
        x509.ExtendedKeyUsage: "Extended Key Usage",
        x509.BasicConstraints: "Basic Constraints",
        x509.SubjectAlternativeName: "Subject Alternative Name",
        x509.SubjectKeyIdentifier: "Subject Key Identifier",
        x509.AuthorityKeyIdentifier: "Authority Key Identifier",
    }
    return words.get(type(value), value.oid.dotted_string)


def _content(value: x509.ExtensionType) -> str:
    match value:
        case x509.KeyUsage():
            return ", ".join(text for key, text in _KEY_USAGES.items() if getattr(value, key))
        case x509.ExtendedKeyUsage():
            return ", ".join(_EXTENDED_USAGES.get(oid, oid.dotted_string) for oid in value)
        case x509.BasicConstraints():
            limit = "" if value.path_length is None else f", pathlen:{value.path_length}"
            return f"CA:{str(value.ca).upper()}{limit}"
        case x509.SubjectAlternativeName():
            return ", ".join(_general_name(each) for each in value)
        case x509.SubjectKeyIdentifier():
            return _colons(value.digest)
        case x509.AuthorityKeyIdentifier():
            return f"keyid:{_colons(value.key_identifier or b'')}"
        case _:
            return "(not shown)"


def _general_name(entry: x509.GeneralName) -> str:
    kinds = {
        x509.DNSName: "DNS",
        x509.UniformResourceIdentifier: "URI",
        x509.IPAddress: "IP Address",
        x509.RFC822Name: "email",
    }
    return f"{kinds.get(type(entry), type(entry).__name__)}:{entry.value}"


def _colons(content: bytes) -> str:
    return content.hex(":").upper()
