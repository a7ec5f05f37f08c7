"""Ends that come near: gauges, and what is said how often."""

import asyncio
from collections.abc import Iterator, MutableMapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from linkerd.certificates import Authority, make_issuer, make_trust_anchor
from linkerd.runtime.metrics import registry
from services.identity.issuer.expiry import ExpiryWatch, Thresholds
from services.identity.issuer.issuer import IssuerSlot, PemFile
from services.identity.issuer.issuer import make_issuer as load
from services.identity.metrics import Metrics
from services.identity.notices import Notices
from tests.support.certificates import DOMAIN
from tests.support.clock import FakeClock
from tests.support.said import SaidEvents

NOW = datetime(2030, 5, 17, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SKEW = timedelta(seconds=10)


class Watched:
    """A slot whose certificates live as long as the test says."""

    def __init__(
        self, *, anchor: timedelta, issuer: timedelta, issuer_threshold: timedelta | None = None
    ) -> None:
        self.clock, self.events, self.numbers = FakeClock(NOW), SaidEvents(), registry()
        self.slot = IssuerSlot()
        self.anchor = make_trust_anchor(DOMAIN, lifetime=anchor - SKEW, now=NOW)
        self.put(issuer, self.anchor)
        self.watch = ExpiryWatch(
            self.slot,
            Notices(self.events, "mesh-sys"),
            Metrics(self.numbers),
            self.clock,
            Thresholds(issuer=issuer_threshold),
        )

    def put(self, issuer: timedelta, *anchors: Authority) -> None:
        made = make_issuer(DOMAIN, anchors[0], lifetime=issuer - SKEW, now=self.clock.now())
        self.slot.put(
            load(
                PemFile(Path("crt.pem"), made.certificate_pem),
                PemFile(Path("key.pem"), made.key_pem),
                PemFile(Path("ca.crt"), b"".join(each.certificate_pem for each in anchors)),
                DOMAIN,
                self.clock.now(),
            )
        )

    async def live(self, span: timedelta) -> None:
        """The watch runs for so long."""
        task = asyncio.create_task(self.watch.run())
        await self.clock.advance(span.total_seconds())
        task.cancel()


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    with capture_logs() as entries:
        yield entries


def anchors(numbers: CollectorRegistry) -> dict[str, float]:
    """Seconds left by the digest of the anchor."""
    (family,) = (f for f in numbers.collect() if f.name == "trust_anchor_cert_ttl_seconds")
    return {sample.labels["sha256"]: sample.value for sample in family.samples}


async def test_i48_gauges() -> None:
    watched = Watched(anchor=100 * DAY, issuer=timedelta(seconds=1000))
    name = "issuer_cert_ttl_seconds"
    assert watched.numbers.get_sample_value(name) == pytest.approx(1000, abs=1)
    await watched.clock.advance(900)
    assert watched.numbers.get_sample_value(name) == pytest.approx(100, abs=1)
    await watched.clock.advance(900)
    assert watched.numbers.get_sample_value(name) == pytest.approx(-800, abs=1)
    (seconds,) = anchors(watched.numbers).values()
    assert seconds == pytest.approx(100 * 86400 - 1800, abs=1)


async def test_gauges_of_a_bundle_follow_it() -> None:
    watched = Watched(anchor=100 * DAY, issuer=10 * DAY)
    other = make_trust_anchor(DOMAIN, lifetime=10 * DAY, now=NOW)
    before = set(anchors(watched.numbers))
    watched.put(DAY, watched.anchor, other, other)
    assert len(anchors(watched.numbers)) == 2
    watched.put(DAY, other)
    assert set(anchors(watched.numbers)).isdisjoint(before)


async def test_nothing_to_say() -> None:
    watched = Watched(anchor=100 * DAY, issuer=90 * DAY)
    await watched.live(30 * DAY)
    assert watched.events.said == []


async def test_anchor_from_60_days_on(logs: list[MutableMapping[str, Any]]) -> None:
    """Once a day, and at once when it has expired."""
    watched = Watched(anchor=61 * DAY, issuer=61 * DAY, issuer_threshold=DAY)
    await watched.live(4.5 * DAY)
    assert watched.events.reasons == ["TrustAnchorExpiring"] * 4
    assert "expires in 60 days, on 2030-07-17T12:00:00Z" in watched.events.messages[0]
    assert "linkerd-identity-trust-roots" in watched.events.messages[0]
    assert [entry["log_level"] for entry in logs] == ["warning"] * 4


async def test_issuer_at_a_configured_threshold() -> None:
    watched = Watched(anchor=1000 * DAY, issuer=2 * DAY, issuer_threshold=timedelta(hours=1))
    await watched.live(2 * DAY - timedelta(hours=2))
    assert watched.events.said == []
    await watched.live(timedelta(hours=3))
    assert watched.events.reasons == ["IssuerExpiring"] * 2
    soon, over = watched.events.messages
    assert "expires in 1.0 hours" in soon
    assert "has expired on 2030-05-19T12:00:00Z" in over
    assert "linkerd-identity-issuer" in over


@pytest.mark.parametrize(
    ("lifetime", "threshold"),
    [
        (timedelta(hours=48), timedelta(hours=9.6)),
        (10 * DAY, 2 * DAY),
        (365 * DAY, 60 * DAY),
    ],
)
async def test_issuer_at_a_fifth_of_its_life(lifetime: timedelta, threshold: timedelta) -> None:
    """cert-manager's renews a 48 h issuer 25 h before its end: that is not worth a word."""
    watched = Watched(anchor=1000 * DAY, issuer=lifetime)
    await watched.clock.advance((lifetime - threshold - timedelta(minutes=1)).total_seconds())
    watched.watch.look()
    assert watched.events.said == []
    await watched.clock.advance(120)
    watched.watch.look()
    assert watched.events.reasons == ["IssuerExpiring"]


async def test_a_replacement_is_watched_anew() -> None:
    watched = Watched(anchor=1000 * DAY, issuer=DAY, issuer_threshold=2 * DAY)
    watched.watch.look()
    watched.put(DAY, watched.anchor)
    watched.watch.look()
    watched.watch.look()
    assert watched.events.reasons == ["IssuerExpiring"] * 2
