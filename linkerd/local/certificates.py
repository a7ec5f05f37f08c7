"""The certificates and keys of a local cluster.

Three authorities that do not trust each other: the cluster's, etcd's (so that no client of the
API reaches the store), and the one for requests that the API server forwards to extensions. Keys
are random P-256, written with mode 0600. `ensure_*` keeps what is good and renews what is missing,
about to expire, made by another authority or for other names, so that a cluster can be started
again after a year or with another address.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from linkerd.local.files import keep_private, write_private

_AUTHORITY_LIFETIME: Final = timedelta(days=3650)
_LEAF_LIFETIME: Final = timedelta(days=365)
_RENEW_BEFORE: Final = timedelta(days=30)
_CLOCK_SKEW: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Pair:
    """The files of a certificate and its key, PEM."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Subject:
    """Who a leaf certificate is for; with `hosts` (names or IP addresses) it may serve too."""

    name: str
    groups: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    def x509_name(self) -> x509.Name:
        """As the API server reads it: groups are organisations, the user is the common name."""
        groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in self.groups]
        return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, self.name)])


class Authority:
    """A certificate authority kept in two files."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self.pair = _pair(folder, name)
        if not _is_valid(self.pair):
            _write_authority(self.pair, name)
        self._certificate = x509.load_pem_x509_certificate(self.pair.certificate.read_bytes())
        self._key = _load_key(self.pair.key)

    def ensure_leaf(self, file: str, subject: Subject) -> Pair:
        """The certificate `file` for `subject`, signed by this authority and good for a while."""
        pair = _pair(self._folder, file)
        if not (_is_valid(pair) and self._is_for(pair, subject)):
            self._write_leaf(pair, subject)
        return pair

    def _is_for(self, pair: Pair, subject: Subject) -> bool:
        certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        try:
            certificate.verify_directly_issued_by(self._certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return certificate.subject == subject.x509_name() and _hosts(certificate) == set(
            subject.hosts
        )

    def _write_leaf(self, pair: Pair, subject: Subject) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _start(subject.x509_name(), self._certificate.subject, key, _LEAF_LIFETIME)
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if subject.hosts:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            builder = builder.add_extension(_alternative_names(subject.hosts), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False
        )
        _write(pair, builder.sign(self._key, hashes.SHA256()), key)


def ensure_signing_key(folder: Path, name: str) -> Pair:
    """The key that signs service-account tokens: `certificate` is the bare public key."""
    pair = Pair(folder / f"{name}.pub", folder / f"{name}.key")
    if not pair.key.exists():
        write_private(pair.key, _key_pem(ec.generate_private_key(ec.SECP256R1())))
    key = _load_key(pair.key).public_key()
    public = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    keep_private(pair.certificate, public.decode())
    return pair


def _pair(folder: Path, name: str) -> Pair:
    return Pair(folder / f"{name}.crt", folder / f"{name}.key")


def _write_authority(pair: Pair, name: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"linkerd-local-{name}")])
    builder = (
        _start(subject, subject, key, _AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_signing_usage(), critical=True)
    )
    _write(pair, builder.sign(key, hashes.SHA256()), key)


def _start(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, lifetime: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _signing_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(hosts: Sequence[str]) -> x509.SubjectAlternativeName:
    names: list[x509.GeneralName] = []
    for host in hosts:
        try:
            names.append(x509.IPAddress(ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    return x509.SubjectAlternativeName(names)


def _hosts(certificate: x509.Certificate) -> set[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    addresses = names.get_values_for_type(x509.IPAddress)
    return {*names.get_values_for_type(x509.DNSName), *map(str, addresses)}


def _is_valid(pair: Pair) -> bool:
    """Whether both files are there, belong together, and stay good for a while."""
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        key = _load_key(pair.key)
    except (FileNotFoundError, ValueError):
        return False
    ends = certificate.not_valid_after_utc
    return certificate.public_key() == key.public_key() and (
        ends - _RENEW_BEFORE > datetime.now(UTC)
    )


def _load_key(file: Path) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{file} is not an elliptic-curve key")  # noqa: TRY004 - bad content, as for the other cases
    return key


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(pair: Pair, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    write_private(pair.key, _key_pem(key))
    write_private(pair.certificate, certificate.public_bytes(Encoding.PEM))
