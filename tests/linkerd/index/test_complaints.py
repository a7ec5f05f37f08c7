"""Complaints about objects."""

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from linkerd.index.complaints import Complaints


@pytest.fixture
def logs() -> Iterator[list[object]]:
    with capture_logs() as captured:
        yield captured  # type: ignore[misc]  # entries are mappings, which nobody looks into here


def test_each_problem_of_each_part_is_said_once(logs: list[object]) -> None:
    complaints = Complaints()
    for _ in range(3):
        complaints.about("Pod", "fin", "a", "x", "bad")
        complaints.about("Pod", "fin", "a", "y", "bad")
        complaints.about("Pod", "fin", "b", "x", "bad")
    assert len(logs) == complaints.tally.complaints == 3
    complaints.about("Pod", "fin", "a", "x", "worse")
    assert len(logs) == 4


def test_an_object_that_went_is_a_new_one_when_it_comes_back(logs: list[object]) -> None:
    complaints = Complaints()
    complaints.about("Pod", "fin", "a", "x", "bad")
    complaints.forget("Pod", "fin", "a")
    complaints.forget("Pod", "fin", "unknown")
    complaints.about("Pod", "fin", "a", "x", "bad")
    assert len(logs) == 2


def test_memory_is_bounded(logs: list[object]) -> None:
    complaints = Complaints()
    for number in range(10_001):
        complaints.about("Pod", "fin", str(number), "x", "bad")
    complaints.about("Pod", "fin", "10000", "x", "bad")
    assert complaints.tally.complaints == 10_001
    complaints.about("Pod", "fin", "0", "x", "bad")  # the oldest was forgotten
    assert len(logs) == complaints.tally.complaints == 10_002


def test_a_mistake_of_ours_is_confined_and_counted(logs: list[object]) -> None:
    complaints = Complaints()
    with complaints.guarding("something"):
        int("ours")
    assert complaints.tally.failures == len(logs) == 1


def test_who_complains_hears_whether_it_was_said(logs: list[object]) -> None:
    complaints = Complaints(message="cannot be used")
    said = [complaints.about("Pod", "fin", "a", "x", how) for how in ("bad", "bad", "worse")]
    assert said == [True, False, True]
    assert [entry["event"] for entry in logs] == ["cannot be used"] * 2  # type: ignore[index]  # as above
