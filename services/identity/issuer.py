"""Loading trust anchors and the issuer from files, and holding the issuer that signs now.

A pair is judged as a whole before it is used: an `Issuer` that exists has a matching ECDSA key,
says CA:TRUE, and has signed a trial leaf that the anchors verified. Everything that is wrong with a
file is a CredentialsError that names the file.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from linkerd.names import IdentityDomain
from services.identity import chain, pem
from services.identity.errors import (
    CredentialsError,
    IssuerNotReadyError,
    IssuerUntrustedError,
    PemError,
)
from services.identity.leaf import sign_leaf
from services.identity.model import Issuer

LINKERD_SCHEME: Final = "linkerd.io/tls"
KUBERNETES_SCHEME: Final = "kubernetes.io/tls"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PemFile:
    """A file as it was read."""

    path: Path
    text: bytes

    @classmethod
    def read(cls, path: Path) -> "PemFile":
        """Raises CredentialsError."""
        try:
            return cls(path, path.read_bytes())
        except OSError as error:
            raise CredentialsError(path, f"cannot be read: {error.strerror or error}") from error

    def decode(self, decoder: Callable[[bytes], T]) -> T:
        """`decoder` of the text; its PemError becomes a CredentialsError."""
        try:
            return decoder(self.text)
        except PemError as error:
            raise CredentialsError(self.path, str(error)) from error


def issuer_paths(directory: Path, scheme: str) -> tuple[Path, Path]:
    """Certificate and key file of an issuer Secret. Every scheme but `linkerd.io/tls` means the
    names that Kubernetes' own TLS Secrets use."""
    if scheme == LINKERD_SCHEME:
        return directory / "crt.pem", directory / "key.pem"
    return directory / "tls.crt", directory / "tls.key"


def load_anchors(path: Path) -> tuple[x509.Certificate, ...]:
    """The trust anchors of a bundle. Raises CredentialsError."""
    return PemFile.read(path).decode(pem.certificates)


def load_issuer(
    directory: Path,
    scheme: str,
    anchors: Sequence[x509.Certificate],
    domain: IdentityDomain,
    now: datetime,
) -> Issuer:
    """The issuer in `directory`. Raises CredentialsError."""
    certificate, key = issuer_paths(directory, scheme)
    return make_issuer(PemFile.read(certificate), PemFile.read(key), anchors, domain, now)


def make_issuer(
    certificate_file: PemFile,
    key_file: PemFile,
    anchors: Sequence[x509.Certificate],
    domain: IdentityDomain,
    now: datetime,
) -> Issuer:
    """The issuer of a certificate and a key file, if it can sign leaves that `anchors` verify.

    Raises CredentialsError.
    """
    key = key_file.decode(pem.issuer_key)
    certificates = certificate_file.decode(pem.certificates)
    issuer = certificates[0]
    try:
        _check_pair(issuer, key, key_file.path)
        trial = _trial_leaf(issuer, key, domain)
        trusted = chain.trusted_window(trial, issuer, certificates[1:], anchors, now)
        return Issuer(
            certificate=issuer,
            key=key,
            chain=certificates[1:],
            anchors=tuple(anchors),
            trial=trial,
            trusted=trusted,
            not_after=chain.window(certificates).end,
            intermediates=_for_peers(certificates),
        )
    except (chain.ChainError, ValueError, UnsupportedAlgorithm) as error:
        raise CredentialsError(certificate_file.path, str(error)) from error


class IssuerSlot:
    """Where the issuer that signs now is kept. Calls take it once and keep what they took, so a
    replacement never tears one."""

    def __init__(self) -> None:
        self._issuer: Issuer | None = None

    def put(self, issuer: Issuer) -> None:
        """`issuer` signs from now on."""
        self._issuer = issuer

    def take(self, now: datetime) -> Issuer:
        """The issuer, verified to be trusted at `now`.

        Raises IssuerNotReadyError before the first `put`, and IssuerUntrustedError.
        """
        issuer = self.loaded()
        if not issuer.trusted.holds(now):
            issuer = self._issuer = _trusted_again(issuer, now)
        return issuer

    def loaded(self) -> Issuer:
        """The issuer, trusted or not. Raises IssuerNotReadyError."""
        if self._issuer is None:
            raise IssuerNotReadyError("the issuer is not ready yet: try again")
        return self._issuer


def _trusted_again(issuer: Issuer, now: datetime) -> Issuer:
    """The path known so far is out of its time; another anchor may still carry the issuer."""
    try:
        window = chain.trusted_window(
            issuer.trial, issuer.certificate, issuer.chain, issuer.anchors, now
        )
    except chain.ChainError as error:
        raise IssuerUntrustedError(str(error)) from error
    return replace(issuer, trusted=window)


def _check_pair(issuer: x509.Certificate, key: ec.EllipticCurvePrivateKey, key_path: Path) -> None:
    if issuer.public_key() != key.public_key():
        raise CredentialsError(
            key_path,
            "this key does not belong to the issuer certificate: replace both files together",
        )
    if not chain.is_ca(issuer):
        raise chain.ChainError(
            "the first certificate is not a CA (it lacks CA:TRUE): the issuer must come first"
        )


def _trial_leaf(
    issuer: x509.Certificate, key: ec.EllipticCurvePrivateKey, domain: IdentityDomain
) -> x509.Certificate:
    """A leaf for this service's own workload, as long-lived as the issuer. Its key is dropped."""
    identity = domain.workload("linkerd-identity", domain.controller_namespace)
    public_key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return sign_leaf(issuer, key, public_key, identity, chain.window([issuer]))


def _for_peers(certificates: Sequence[x509.Certificate]) -> tuple[bytes, ...]:
    """What proxies present between leaf and anchor.

    Upstream sends the whole file, with the root where the file has it, as in its default install,
    where the issuer is the self-signed anchor. Proxies are promised a chain without the root, and
    verify against the anchors that they already have: so roots are left out, and an issuer that is
    the anchor itself gives no intermediates at all.
    """
    return tuple(
        each.public_bytes(Encoding.DER) for each in certificates if not chain.is_root(each)
    )
