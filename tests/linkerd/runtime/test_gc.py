"""How much garbage the tuned collector leaves lying."""

import gc
from collections.abc import Iterator

import pytest

from linkerd.runtime.gc import YOUNG, tune_gc


@pytest.fixture(autouse=True)
def _collector_as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


class Knot:
    """Refers to itself, so that only the collector frees it."""

    alive = 0

    def __init__(self) -> None:
        self.itself = self
        Knot.alive += 1

    def __del__(self) -> None:
        Knot.alive -= 1


def test_garbage_in_cycles_stays_within_a_bound() -> None:
    tune_gc()
    most = 0
    for _ in range(5 * YOUNG):
        Knot()
        most = max(most, Knot.alive)
    assert YOUNG / 4 < most <= YOUNG + 1000
