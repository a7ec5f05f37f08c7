"""How much garbage the tuned collector leaves lying."""

import gc
import subprocess
import sys
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


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for resident memory")
@pytest.mark.parametrize(
    ("pieces", "least", "most"), [(5_000, 20 << 20, 50 << 20), (1_000, 0, 1 << 20)]
)
def test_much_is_given_back_and_a_little_kept(pieces: int, least: int, most: int) -> None:
    """In a process of its own, of whose heap others hold nothing."""
    said = subprocess.run(
        [sys.executable, "-c", _FRAGMENTED, str(pieces)], capture_output=True, text=True, check=True
    ).stdout
    before, after = map(int, said.split())
    assert least <= before - after <= most


_FRAGMENTED = """
import sys
import psutil
from linkerd.runtime.gc import give_back_memory

pieces = [bytes(10_000) for _ in range(int(sys.argv[1]))]
kept = pieces[::500]  # so that what is free lies in between
del pieces
print(psutil.Process().memory_info().rss)
give_back_memory()
print(psutil.Process().memory_info().rss)
"""
