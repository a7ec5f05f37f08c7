"""How long updates took to reach us, read off the bytes of watch events."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from linkerd.kube.intake import Intake
from linkerd.kube.lag import UpdateLag, newest_update
from linkerd.kube.reflector_metrics import ReflectorMetrics
from tests.support.clock import FakeClock
from tests.support.pods import PODS, Pod

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def stamp(seconds: float) -> str:
    return (NOON + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def entry(seconds: float, operation: str = "Update") -> dict[str, Any]:
    fields: dict[str, Any] = {"f:metadata": {"f:labels": {".": {}}}}
    return {
        "manager": "m",
        "operation": operation,
        "time": stamp(seconds),
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }


class Watched:
    """An intake of pods, its clock at noon, and the lags that it told of."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOON)
        self.lags: list[float] = []
        self.lag = UpdateLag(self.lags.append, self.clock)
        meter = ReflectorMetrics(CollectorRegistry()).of("pods", "")
        self.intake: Intake[Pod] = Intake(PODS, meter, self.lag)
        self.version = 0

    def tell(self, kind: str, *entries: dict[str, Any], **metadata: Any) -> None:
        self.version += 1
        meta = {"name": "a", "namespace": "fin", "resourceVersion": str(self.version), **metadata}
        item = {"metadata": meta | {"managedFields": list(entries)}}
        self.intake.take_line(json.dumps({"type": kind, "object": item}).encode())

    def advance(self, seconds: float) -> None:
        self.clock._elapsed += seconds


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_an_update_is_as_late_as_its_newest_stamp_is_old(watched: Watched) -> None:
    watched.tell("ADDED", entry(-100))
    assert watched.lags == []
    watched.advance(10)
    watched.tell("MODIFIED", entry(-100), entry(7), entry(3))
    assert watched.lags == [3]


def test_a_stamp_that_did_not_change_tells_nothing(watched: Watched) -> None:
    """A deletion that begins, and a binding, write no stamp."""
    watched.tell("ADDED", entry(-3600))
    watched.tell("MODIFIED", entry(-3600), deletionTimestamp=stamp(0))
    assert watched.lags == []


def test_an_object_that_was_not_seen_before_tells_nothing_at_first(watched: Watched) -> None:
    watched.tell("MODIFIED", entry(-3600))
    assert watched.lags == []
    watched.tell("MODIFIED", entry(-1))
    assert watched.lags == [1]


def test_only_updates_count(watched: Watched) -> None:
    watched.tell("ADDED", entry(-9))
    watched.tell("MODIFIED", entry(-9), entry(-1, "Apply"))
    watched.tell("MODIFIED")
    assert watched.lags == []


def test_clocks_may_differ(watched: Watched) -> None:
    watched.tell("ADDED", entry(-9))
    watched.tell("MODIFIED", entry(30))
    assert watched.lags == [0]


def test_the_same_version_again_tells_nothing(watched: Watched) -> None:
    watched.tell("ADDED", entry(-9))
    watched.version -= 1
    watched.tell("MODIFIED", entry(-1))
    assert watched.lags == []


def test_nothing_is_remembered_of_what_is_gone(watched: Watched) -> None:
    watched.tell("ADDED", entry(-9))
    watched.tell("ADDED", entry(-9), name="b")
    assert len(watched.lag) == 2
    watched.tell("DELETED", entry(-9))
    assert len(watched.lag) == 1
    watched.intake.begin_list()
    watched.intake.take_gone(watched.intake.unlisted())
    watched.intake.end_list("99")
    assert len(watched.lag) == 0


@given(
    st.binary()
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(
        lambda value: json.dumps({"metadata": {"managedFields": value}}).encode()
    )
)
def test_no_bytes_are_too_odd(raw: bytes) -> None:
    assert newest_update(raw) is None
