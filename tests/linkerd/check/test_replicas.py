"""What pods of identity say about what they have loaded."""

from datetime import UTC, datetime, timedelta

import pytest

from linkerd.certificates import make_issuer, make_trust_anchor
from linkerd.check.replicas import Loaded, difference, read_metrics
from linkerd.trust.describe import fingerprint
from linkerd.trust.paths import Places, Trust
from tests.support.certificates import DOMAIN, Credentials

NOW = datetime(2030, 1, 1, tzinfo=UTC)
GOOD = Credentials.make(now=NOW)
ROOT = GOOD.anchor.certificate
TRUST = Trust(GOOD.issuer.certificate, (), (ROOT,), Places("anchors", "certificate", "key"))
SKEW = timedelta(hours=3)


def left(end: datetime, now: datetime = NOW) -> float:
    return (end - now).total_seconds()


def loaded(
    issuer: datetime = GOOD.issuer.certificate.not_valid_after_utc,
    anchors: dict[str, datetime] | None = None,
    clock: datetime = NOW,
) -> Loaded:
    """By a pod whose clock says `clock` when ours says NOW."""
    known = {fingerprint(ROOT): ROOT.not_valid_after_utc} if anchors is None else anchors
    return Loaded(left(issuer, clock), {k: left(end, clock) for k, end in known.items()}, NOW)


@pytest.mark.parametrize("clock", [NOW, NOW + SKEW, NOW - SKEW, NOW + timedelta(seconds=0.9)])
def test_all_is_loaded_whatever_the_clocks(clock: datetime) -> None:
    assert difference(loaded(clock=clock), TRUST) is None


@pytest.mark.parametrize("clock", [NOW, NOW + SKEW])
def test_another_issuer(clock: datetime) -> None:
    other = make_issuer(DOMAIN, GOOD.anchor, now=NOW + timedelta(minutes=1)).certificate
    found = difference(loaded(other.not_valid_after_utc, clock=clock), TRUST)
    assert found == "it has loaded another issuer, which ends on 2031-01-01T00:01:10Z"


def test_other_anchors() -> None:
    both = {fingerprint(ROOT): ROOT.not_valid_after_utc, "00": NOW}
    assert "other trust anchors" in str(difference(loaded(anchors=both), TRUST))
    other = make_trust_anchor(DOMAIN, now=NOW).certificate
    alone = {fingerprint(other): other.not_valid_after_utc}
    assert "other trust anchors" in str(difference(loaded(anchors=alone), TRUST))


def test_a_service_without_the_metric_of_anchors_is_judged_by_its_issuer() -> None:
    """Upstream's."""
    assert difference(loaded(anchors={}), TRUST) is None
    assert "another issuer" in str(difference(loaded(NOW, anchors={}), TRUST))


def test_metrics_are_read() -> None:
    text = (
        "# HELP issuer_cert_ttl_seconds x\n# TYPE issuer_cert_ttl_seconds gauge\n"
        "issuer_cert_ttl_seconds 1.5e+06\n"
        'trust_anchor_cert_ttl_seconds{name="CN=\\"root\\"",sha256="ab"} -3\n'
    )
    assert read_metrics(text, NOW) == Loaded(1.5e6, {"ab": -3.0}, NOW)


@pytest.mark.parametrize("text", ["", "<html>", "issuer_cert_ttl_seconds soon\n", "up 1\n"])
def test_pages_that_say_nothing(text: str) -> None:
    assert "does not say" in str(difference(read_metrics(text, NOW), TRUST))
