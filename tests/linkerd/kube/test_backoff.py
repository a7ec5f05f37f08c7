"""Delays grow, stay bounded, and are spread."""

from random import Random

from linkerd.kube.backoff import FIRST, LAST, LONGEST_REQUESTED, Backoff


class _Highest(Random):
    def uniform(self, a: float, b: float) -> float:
        return b


def test_the_ceiling_doubles_up_to_the_last() -> None:
    backoff = Backoff(_Highest())
    delays = [backoff.next_delay() for _ in range(1000)]
    assert delays[:7] == [FIRST * 2**n for n in range(6)] + [LAST]
    assert set(delays[7:]) == {LAST}
    backoff.reset()
    assert backoff.next_delay() == FIRST


def test_delays_are_spread_from_nothing_to_the_ceiling() -> None:
    delays = [Backoff(Random(seed)).next_delay() for seed in range(2000)]
    assert min(delays) < 0.02 * FIRST
    assert 0.98 * FIRST < max(delays) <= FIRST
    assert 0.45 * FIRST < sum(delays) / len(delays) < 0.55 * FIRST


def test_what_the_server_asks_for_is_the_least() -> None:
    assert 7.0 <= Backoff(Random(1)).next_delay(at_least=7.0) <= 7.0 + FIRST
    assert Backoff(Random(1)).next_delay(at_least=1e9) <= LONGEST_REQUESTED + FIRST
