"""Failure accrual of annotations."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.policy.errors import PolicyError
from linkerd.policy.failure_accrual import (
    Backoff,
    ConsecutiveFailures,
    UnifiedAccrual,
    judge_failure_accrual,
)

MODE = "balancer.linkerd.io/failure-accrual"
STABLE = "balancer.linkerd.io/failure-accrual-consecutive-"
ALPHA = "balancer.alpha.linkerd.io/failure-accrual-"
BACKOFF = Backoff(timedelta(seconds=1), timedelta(seconds=60), 0.5)
UNIFIED = UnifiedAccrual(0.8, timedelta(seconds=10), 5, 7, BACKOFF, honors_retry_after=False)


def consecutive(**more: str) -> Mapping[str, str]:
    return annotated("consecutive", STABLE, more)


def unified(**more: str) -> Mapping[str, str]:
    return annotated("unified", ALPHA, more)


def annotated(mode: str, prefix: str, more: Mapping[str, str]) -> Mapping[str, str]:
    named = {prefix + name.replace("_", "-"): value for name, value in more.items()}
    return {MODE: mode, **named}


def test_without_the_annotation_there_is_none() -> None:
    assert judge_failure_accrual({STABLE + "max-failures": "3"}) is None


def test_o40_consecutive_by_itself() -> None:
    assert judge_failure_accrual(consecutive()) == ConsecutiveFailures(7, BACKOFF)


def test_o41_consecutive_with_all_parameters() -> None:
    found = judge_failure_accrual(
        consecutive(max_failures="4", min_penalty="2s", max_penalty="1m", jitter_ratio="1.25")
    )
    backoff = Backoff(timedelta(seconds=2), timedelta(seconds=60), 1.25)
    assert found == ConsecutiveFailures(4, backoff)


@pytest.mark.parametrize("mode", ["weird", "", "Consecutive", " unified"])
def test_o42_another_mode(mode: str) -> None:
    with pytest.raises(PolicyError, match="must be consecutive or unified"):
        judge_failure_accrual({MODE: mode})


def test_o43_a_minimum_above_the_maximum() -> None:
    with pytest.raises(PolicyError, match="must not be less than"):
        judge_failure_accrual(consecutive(min_penalty="5m", max_penalty="1m"))


@pytest.mark.parametrize("jitter", ["100.5", "-0.1", "nan", "inf", "1_0", "", "half", "1e999"])
def test_o44_a_jitter_out_of_bounds(jitter: str) -> None:
    with pytest.raises(PolicyError, match="must be a number from 0 to 100"):
        judge_failure_accrual(consecutive(jitter_ratio=jitter))


def test_o44_a_maximum_of_nothing() -> None:
    with pytest.raises(PolicyError, match=r"max-penalty.: must not be 0"):
        judge_failure_accrual(consecutive(min_penalty="0", max_penalty="0"))


@pytest.mark.parametrize("jitter", ["0", "100", "1e1", ".5", "+2."])
def test_o44_a_jitter_within_bounds(jitter: str) -> None:
    found = judge_failure_accrual(consecutive(jitter_ratio=jitter))
    assert found is not None
    assert found.backoff.jitter == float(jitter)


def test_o45_unified_by_itself() -> None:
    assert judge_failure_accrual(unified()) == UNIFIED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("success_rate_threshold", "1.2"),
        ("success_rate_threshold", "-1"),
        ("success_rate_window", "0"),
        ("success_rate_window", "5ms"),
        ("success_rate_min_requests", "2000000"),
        ("honor_retry_after", "yes"),
    ],
)
def test_o46_unified_out_of_bounds(name: str, value: str) -> None:
    with pytest.raises(PolicyError, match=f"{name.replace('_', '-')}.: must be|must not be 0"):
        judge_failure_accrual(unified(**{name: value}))


def test_o47_without_a_threshold_the_window_may_be_short() -> None:
    found = judge_failure_accrual(
        unified(
            success_rate_threshold="0",
            success_rate_window="5ms",
            success_rate_min_requests="2000000",
        )
    )
    assert isinstance(found, UnifiedAccrual)
    assert (found.window, found.min_requests) == (timedelta(milliseconds=5), 2_000_000)


def test_o47_but_there_must_be_one() -> None:
    with pytest.raises(PolicyError, match=r"window.: must not be 0"):
        judge_failure_accrual(unified(success_rate_threshold="0", success_rate_window="0"))


def test_o48_both_halves_off() -> None:
    found = judge_failure_accrual(
        {**unified(success_rate_threshold="0"), STABLE + "max-failures": "0"}
    )
    assert isinstance(found, UnifiedAccrual)
    assert (found.success_threshold, found.max_failures) == (0, 0)


def test_o49_the_hint_counts_for_unified_alone() -> None:
    hint = {ALPHA + "honor-retry-after": " TRUE "}
    found = judge_failure_accrual({**unified(), **hint})
    assert isinstance(found, UnifiedAccrual)
    assert found.honors_retry_after
    assert judge_failure_accrual({**consecutive(), **hint}) == ConsecutiveFailures(7, BACKOFF)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                *(STABLE + name for name in ("max-failures", "min-penalty", "max-penalty")),
                *(ALPHA + name for name in ("success-rate-threshold", "success-rate-window")),
                STABLE + "jitter-ratio",
                ALPHA + "success-rate-min-requests",
            ]
        ),
        st.one_of(
            st.text(alphabet="0123456789.emsh-+", max_size=6),
            st.integers(0, 2**33).map(str),
            st.integers(0, 10**6).map("{}ms".format),
        ),
    ),
    st.sampled_from(["consecutive", "unified"]),
)
def test_what_is_let_through_is_what_proxies_take(parts: dict[str, str], mode: str) -> None:
    try:
        found = judge_failure_accrual({**parts, MODE: mode})
    except PolicyError:
        return
    assert found is not None
    assert found.backoff.minimum <= found.backoff.maximum
    assert found.backoff.maximum > timedelta(0)
    assert 0 <= found.backoff.jitter <= 100
    assert 0 <= found.max_failures < 2**32
    if isinstance(found, UnifiedAccrual):
        assert 0 <= found.success_threshold <= 1
        assert found.window > timedelta(0)
        if found.success_threshold:
            assert found.window >= timedelta(milliseconds=10)
            assert found.min_requests <= 1_000_000
