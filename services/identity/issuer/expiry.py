"""Certificates of the control plane that end soon: gauges all the time, a log line and an Event a
day from a threshold on, and at once when one has ended. Expired certificates are the commonest
outage of a mesh, and nothing hitless leads out of one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509

from linkerd.runtime.clock import Clock
from linkerd.runtime.logs import get_logger
from linkerd.runtime.reminders import LOOK, Reminders, usual_threshold
from linkerd.trust.describe import ending, fingerprint, name
from linkerd.trust.rules import SOON
from services.identity.issuer.issuer import IssuerSlot
from services.identity.metrics import Metrics
from services.identity.model import Issuer
from services.identity.notices import Notices

ANCHOR_THRESHOLD: Final = SOON

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How long before its end a certificate is talked of. `issuer` None: a fifth of its lifetime,
    at most 60 days, which is right for a yearly one as for one that is renewed every day."""

    anchor: timedelta = ANCHOR_THRESHOLD
    issuer: timedelta | None = None

    def of_issuer(self, certificate: x509.Certificate) -> timedelta:
        """The threshold of this issuer."""
        if self.issuer is not None:
            return self.issuer
        return usual_threshold(certificate)


class ExpiryWatch:
    """Watches whatever the slot holds. Start `run` as a task."""

    def __init__(
        self,
        slot: IssuerSlot,
        notices: Notices,
        metrics: Metrics,
        clock: Clock,
        thresholds: Thresholds,
    ) -> None:
        self._slot = slot
        self._notices = notices
        self._clock = clock
        self._thresholds = thresholds
        self._reminders = Reminders(clock)
        metrics.issuer_ttl.set_function(self._issuer_seconds)
        metrics.follow_anchors(self._anchor_seconds)

    async def run(self) -> None:
        """Looks every ten minutes, for as long as the process lives."""
        while True:
            self.look()
            await self._clock.sleep(LOOK.total_seconds())

    def look(self) -> None:
        """Says what has to be said now."""
        issuer, now = self._slot.loaded(), self._clock.now()
        self._reminders.keep((issuer.certificate, *issuer.anchors))
        self._look_at_issuer(issuer, now)
        for anchor in issuer.anchors:
            if self._reminders.is_due(anchor, self._thresholds.anchor):
                message = (
                    f"trust anchor {name(anchor.subject)} {ending(anchor, now)}: {_ANCHOR_ADVICE}"
                )
                _log.warning(message, expires=anchor.not_valid_after_utc.isoformat())
                self._notices.anchor_expiring(message)

    def _look_at_issuer(self, issuer: Issuer, now: datetime) -> None:
        certificate = issuer.certificate
        if self._reminders.is_due(certificate, self._thresholds.of_issuer(certificate)):
            message = (
                f"issuer {name(certificate.subject)} {ending(certificate, now)}: {_ISSUER_ADVICE}"
            )
            _log.warning(message, expires=certificate.not_valid_after_utc.isoformat())
            self._notices.issuer_expiring(message)

    def _issuer_seconds(self) -> float:
        issuer = self._slot.loaded().certificate
        return (issuer.not_valid_after_utc - self._clock.now()).total_seconds()

    def _anchor_seconds(self) -> Iterable[tuple[str, str, float]]:
        now = self._clock.now()
        for anchor in {fingerprint(each): each for each in self._slot.loaded().anchors}.values():
            left = (anchor.not_valid_after_utc - now).total_seconds()
            yield name(anchor.subject), fingerprint(anchor), left


_ISSUER_ADVICE: Final = (
    "replace the Secret linkerd-identity-issuer; without a new issuer no workload is certified "
    "after that"
)
_ANCHOR_ADVICE: Final = (
    "add a new one to the ConfigMap linkerd-identity-trust-roots, let every workload restart, "
    "then replace the issuer"
)
