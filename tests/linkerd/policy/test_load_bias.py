"""Load bias of annotations."""

from datetime import timedelta

import pytest

from linkerd.policy.errors import PolicyError
from linkerd.policy.load_bias import LoadBias, judge_load_bias

PREFIX = "balancer.alpha.linkerd.io/"
PENALIZE = PREFIX + "penalize-failures"


@pytest.mark.parametrize("text", ["1", "t", "T", "TRUE", "true", "True", " true\n"])
def test_o50_failures_are_weighed(text: str) -> None:
    expected = LoadBias(timedelta(seconds=5), timedelta(seconds=300))
    assert judge_load_bias({PENALIZE: text}) == expected


@pytest.mark.parametrize("text", ["0", "f", "F", "FALSE", "false", "False"])
def test_failures_are_not_weighed(text: str) -> None:
    assert judge_load_bias({PENALIZE: text, PREFIX + "load-biaser-penalty": "nonsense"}) is None


def test_nothing_said() -> None:
    assert judge_load_bias({}) is None


@pytest.mark.parametrize("text", ["yes", "", "tRUE", "2"])
def test_o52_neither_yes_nor_no(text: str) -> None:
    with pytest.raises(PolicyError, match=r"penalize-failures.: must be true or false"):
        judge_load_bias({PENALIZE: text})


def test_o50_parameters() -> None:
    found = judge_load_bias(
        {
            PENALIZE: "t",
            PREFIX + "load-biaser-penalty": "4294967295ms",
            PREFIX + "load-biaser-max-retry-after": "1h",
        }
    )
    assert found == LoadBias(timedelta(milliseconds=2**32 - 1), timedelta(hours=1))


def test_a_penalty_that_messages_cannot_hold() -> None:
    with pytest.raises(PolicyError, match=r"penalty.: must be less than"):
        judge_load_bias({PENALIZE: "t", PREFIX + "load-biaser-penalty": "4294967296ms"})
