"""Tokens that come back with time."""

from hypothesis import given
from hypothesis import strategies as st

from linkerd.kube.controller.rate import TokenBucket


def test_a_burst_and_then_the_rate() -> None:
    bucket = TokenBucket(rate=2.0, burst=3, now=0.0)
    assert [bucket.take(0.0) for _ in range(5)] == [True, True, True, False, False]
    assert [bucket.take(0.5), bucket.take(0.5)] == [True, False]
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]


def test_credit_is_paid_back_first() -> None:
    bucket = TokenBucket(rate=10.0, burst=1, now=0.0)
    assert [bucket.reserve(0.0) for _ in range(3)] == [0.0, 0.1, 0.2]
    assert not bucket.take(0.2)
    assert bucket.take(0.5)


@given(st.lists(st.floats(0, 10), max_size=60), st.integers(1, 5))
def test_never_more_than_the_burst_and_the_rate_allow(pauses: list[float], burst: int) -> None:
    bucket, now, taken = TokenBucket(rate=0.5, burst=burst, now=0.0), 0.0, 0
    for pause in pauses:
        now += pause
        taken += bucket.take(now)
        assert taken <= burst + 0.5 * now + 1e-6
