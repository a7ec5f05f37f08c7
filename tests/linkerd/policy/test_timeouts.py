"""Timeouts of annotations."""

from datetime import timedelta

import pytest

from linkerd.policy.errors import PolicyError
from linkerd.policy.timeouts import NO_TIMEOUTS, Timeouts, judge_timeouts


def test_o36_each_annotation_is_one_timeout() -> None:
    found = judge_timeouts(
        {
            "timeout.linkerd.io/request": "10s",
            "timeout.linkerd.io/response": "5s",
            "timeout.linkerd.io/idle": "1m",
        }
    )
    assert found == Timeouts(timedelta(seconds=10), timedelta(seconds=5), timedelta(minutes=1))


def test_whether_anything_is_said() -> None:
    assert not judge_timeouts({})
    assert not NO_TIMEOUTS
    assert judge_timeouts({"timeout.linkerd.io/idle": "1s"})


def test_zero_is_something_said() -> None:
    found = judge_timeouts({"timeout.linkerd.io/request": "0"})
    assert found == Timeouts(request=timedelta(0))
    assert found


def test_the_annotation_that_is_wrong_is_named() -> None:
    annotations = {"timeout.linkerd.io/request": "1s", "timeout.linkerd.io/idle": "1.5s"}
    with pytest.raises(PolicyError) as raised:
        judge_timeouts(annotations)
    assert raised.value.field == "metadata.annotations[timeout.linkerd.io/idle]"
