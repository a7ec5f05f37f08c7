"""Loading trust anchors and the issuer from files, and holding the issuer that signs now.

A pair is judged as a whole before it is used (`linkerd.trust`): an `Issuer` that exists has a
matching ECDSA key, may sign certificates, and leads to a trust anchor. Everything that is wrong
with a file is a CredentialsError that names the file.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from linkerd.mesh.names import IdentityDomain
from linkerd.trust.errors import TrustProblem
from linkerd.trust.facts import Window, is_root
from linkerd.trust.judge import judge, read_pair
from linkerd.trust.objects import issuer_keys
from linkerd.trust.paths import Places, find_path
from services.identity.errors import CredentialsError, IssuerNotReadyError, IssuerUntrustedError
from services.identity.issuer.leaf import template
from services.identity.model import Issuer


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
            raise CredentialsError(
                path, f"cannot be read: {error.strerror or error}; {_MOUNTED}"
            ) from error


def issuer_paths(directory: Path, form: str) -> tuple[Path, Path]:
    """Certificate and key file of an issuer Secret that is mounted at `directory`."""
    certificate, key = issuer_keys(form)
    return directory / certificate, directory / key


def load_issuer(
    directory: Path, form: str, bundle: Path, domain: IdentityDomain, now: datetime
) -> Issuer:
    """The issuer in `directory`, below an anchor in `bundle`. Raises CredentialsError."""
    certificate, key = map(PemFile.read, issuer_paths(directory, form))
    return make_issuer(certificate, key, PemFile.read(bundle), domain, now)


def make_issuer(
    certificate: PemFile, key: PemFile, bundle: PemFile, domain: IdentityDomain, now: datetime
) -> Issuer:
    """The issuer of three files, if it can sign leaves that the anchors of the bundle verify.

    Raises CredentialsError.
    """
    places = Places(str(bundle.path), str(certificate.path), str(key.path))
    identity = domain.identity_service
    try:
        pair = read_pair(bundle.text, certificate.text, key.text, places)
        verdict = judge(pair.trust, identity, now)
    except TrustProblem as problem:
        raise CredentialsError(Path(problem.where), problem.problem) from problem
    trust = pair.trust
    certificates = (trust.issuer, *trust.intermediates)
    return Issuer(
        trust=trust,
        key=pair.key,
        template=template(trust.issuer),
        identity=identity,
        trusted=verdict.path.window,
        not_after=Window.common(certificates).end,
        intermediates=_for_peers(certificates),
        warnings=verdict.warnings,
    )


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
        path = find_path(issuer.trust, issuer.identity, now)
    except TrustProblem as problem:
        raise IssuerUntrustedError(str(problem)) from problem
    return replace(issuer, trusted=path.window)


def _for_peers(certificates: Sequence[x509.Certificate]) -> tuple[bytes, ...]:
    """What proxies present between leaf and anchor.

    Upstream sends the whole file, with the root where the file has it, as in its default install,
    where the issuer is the self-signed anchor. Proxies are promised a chain without the root, and
    verify against the anchors that they already have: so roots are left out, and an issuer that is
    the anchor itself gives no intermediates at all.
    """
    return tuple(each.public_bytes(Encoding.DER) for each in certificates if not is_root(each))


_MOUNTED = (
    "it comes from the Secret linkerd-identity-issuer or the ConfigMap "
    "linkerd-identity-trust-roots, which must exist, be mounted there and have a key of that name "
    "(--identity-scheme decides the names of the issuer's)"
)
