"""Follows the files of issuer and trust anchors.

They are judged together, as one set: what can be used replaces issuer and anchors at once, what
cannot leaves both as they were and is said once (log, Event, metrics). A set that was refused is
tried again now and then, because time may be what it lacks: a certificate that is not valid yet.
Readiness never changes here: an old issuer is better than none, and one that has expired is said
by every call.
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

from linkerd.mesh.names import IdentityDomain
from linkerd.runtime.clock import Clock
from linkerd.runtime.logs import get_logger
from linkerd.runtime.tls import Contents, FileSet
from services.identity.errors import CredentialsError
from services.identity.issuer import IssuerSlot, PemFile, issuer_paths, make_issuer
from services.identity.metrics import Metrics
from services.identity.model import Issuer
from services.identity.notices import Notices

RETRY: Final = 30.0
"""Seconds between two tries of a set that was refused, of a clock that nobody corrects."""

_log = get_logger(__name__)


class IssuerFiles:
    """The three files, and how they become an issuer."""

    def __init__(
        self,
        directory: Path,
        scheme: str,
        bundle: Path,
        domain: IdentityDomain,
        *,
        interval: timedelta,
        clock: Clock,
    ) -> None:
        self._bundle = bundle
        self._certificate, self._key = issuer_paths(directory, scheme)
        self._domain = domain
        self._clock = clock
        self.interval = interval
        self.files = FileSet((bundle, self._certificate, self._key), interval=interval, clock=clock)

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


class Reloader:
    """Puts what the files become into the slot. Start `follow` and `look_after` as tasks;
    `updated` is called after each replacement."""

    def __init__(
        self,
        source: IssuerFiles,
        slot: IssuerSlot,
        notices: Notices,
        metrics: Metrics,
        clock: Clock,
        updated: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._slot = slot
        self._notices = notices
        self._metrics = metrics
        self._clock = clock
        self._updated = updated
        self._refused: Contents | None = None
        self._retry_at = clock.monotonic()
        self._problem: str | None = None
        """Why the files cannot be read, at the last look."""
        self._said: str | None = None

    async def follow(self) -> None:
        """Takes every change of the files, for as long as the process lives."""
        async for contents in self._source.files.changes():
            self._take(contents)

    async def look_after(self) -> None:
        """Says when files cannot be read, and tries again what was refused."""
        while True:
            await self._clock.sleep(self._source.interval.total_seconds())
            self._watch_problem()
            if self._refused is not None and self._clock.monotonic() >= self._retry_at:
                self._try_again(self._refused)

    def _take(self, contents: Contents) -> None:
        try:
            issuer = self._source.issuer_of(contents)
        except CredentialsError as error:
            self._refuse(contents, str(error))
        else:
            self._accept(issuer)

    def _accept(self, issuer: Issuer) -> None:
        self._refused = None
        self._slot.put(issuer)
        self._metrics.updates.labels("updated").inc()
        self._metrics.files_skipped.set(0)
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

    def _refuse(self, contents: Contents, why: str) -> None:
        self._refused, self._retry_at = contents, self._next_try()
        self._skip(why)

    def _skip(self, why: str) -> None:
        self._metrics.updates.labels("skipped").inc()
        self._metrics.files_skipped.set(1)
        _log.error("issuer update skipped: the issuer that was loaded before signs on", error=why)
        self._notices.issuer_update_skipped(why)

    def _try_again(self, contents: Contents) -> None:
        self._retry_at = self._next_try()
        try:
            issuer = self._source.issuer_of(contents)
        except CredentialsError:
            return
        self._accept(issuer)

    def _watch_problem(self) -> None:
        """A problem counts when two looks agree on it: a swap may lie under the first."""
        problem = self._source.files.problem
        if problem is None:
            if self._said is not None and self._refused is None:
                self._metrics.files_skipped.set(0)
            self._said = None
        elif problem == self._problem and problem != self._said:
            self._said = problem
            self._skip(problem)
        self._problem = problem

    def _next_try(self) -> float:
        return self._clock.monotonic() + RETRY
