"""The files of issuer and trust anchors, and what becomes of their changes.

They are judged together (`linkerd.runtime.reload`): what can be used replaces issuer and anchors at
once, what cannot leaves both as they were and is said once (log, Event, metrics). An issuer that
has expired is said by every call.
"""

from collections.abc import Callable
from pathlib import Path

from linkerd.mesh.names import IdentityDomain
from linkerd.runtime.clock import Clock
from linkerd.runtime.files import Contents, FileSet
from linkerd.runtime.logs import get_logger
from services.identity.issuer.issuer import IssuerSlot, PemFile, issuer_paths, make_issuer
from services.identity.model import Issuer
from services.identity.notices import Notices

_log = get_logger(__name__)


class IssuerFiles:
    """The three files, and how they become an issuer."""

    def __init__(
        self, directory: Path, scheme: str, bundle: Path, domain: IdentityDomain, clock: Clock
    ) -> None:
        self._bundle = bundle
        self._certificate, self._key = issuer_paths(directory, scheme)
        self._domain = domain
        self._clock = clock
        self.files = FileSet((bundle, self._certificate, self._key))

    def load(self) -> Issuer:
        """The issuer as the files are now. Raises CredentialsError."""
        for path in self.files.paths:
            PemFile.read(path)  # its errors name the file first
        return self.issuer_of(self.files.load())

    def issuer_of(self, contents: Contents) -> Issuer:
        """The issuer that contents of the files make. Raises CredentialsError."""
        certificate, key, bundle = (
            PemFile(path, contents[path]) for path in (self._certificate, self._key, self._bundle)
        )
        return make_issuer(certificate, key, bundle, self._domain, self._clock.now())


class IssuerUpdates:
    """Puts what the files become into the slot; `updated` is called after each replacement."""

    def __init__(
        self,
        source: IssuerFiles,
        slot: IssuerSlot,
        notices: Notices,
        updated: Callable[[], None] = lambda: None,
    ) -> None:
        self.make = source.issuer_of
        self._slot = slot
        self._notices = notices
        self._updated = updated

    def take(self, issuer: Issuer) -> None:
        """Signs with this issuer from now on."""
        self._slot.put(issuer)
        _log.info(
            "issuer updated",
            name=issuer.certificate.subject.rfc4514_string(),
            expires=issuer.not_after.isoformat(),
            count=len(issuer.anchors),
        )
        for warning in issuer.warnings:
            _log.warning(warning)
        self._notices.issuer_updated()
        self._updated()

    def refuse(self, why: str) -> None:
        """Signs on with the old one."""
        _log.error("issuer update skipped: the issuer that was loaded before signs on", error=why)
        self._notices.issuer_update_skipped(why)
