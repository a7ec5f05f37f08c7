"""When to talk of the end of a certificate: once a day from some time before it, and at once when
it has come. Expired certificates are the commonest outage of a mesh, and people look at logs late.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from cryptography import x509

from linkerd.runtime.clock import Clock
from linkerd.trust.describe import fingerprint
from linkerd.trust.rules import SOON

LOOK: Final = timedelta(minutes=10)
"""How often to ask."""

REMIND: Final = 24 * 3600.0  # seconds
_SHARE: Final = 5


@dataclass(frozen=True, slots=True)
class _Told:
    """When a certificate's end was last talked of, by the clock that nobody corrects, and whether
    it had come."""

    moment: float
    expired: bool


class Reminders:
    """What was said of which certificate."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: dict[str, _Told] = {}

    def keep(self, certificates: Iterable[x509.Certificate]) -> None:
        """Forgets all others, which are in use no more."""
        kept = {fingerprint(each) for each in certificates}
        self._told = {key: told for key, told in self._told.items() if key in kept}

    def is_due(self, certificate: x509.Certificate, threshold: timedelta) -> bool:
        """Whether to talk of it now, as it ends within `threshold`; that counts as done."""
        end, now = certificate.not_valid_after_utc, self._clock.now()
        if end - now > threshold:
            return False
        key, expired = fingerprint(certificate), now > end
        told = self._told.get(key)
        moment = self._clock.monotonic()
        if told is not None and told.expired == expired and moment - told.moment < REMIND:
            return False
        self._told[key] = _Told(moment, expired)
        return True


def usual_threshold(certificate: x509.Certificate) -> timedelta:
    """A fifth of its lifetime, at most 60 days: right for a yearly one as for one that is renewed
    every day."""
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return min(lifetime / _SHARE, SOON)
