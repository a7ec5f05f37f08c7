"""The law of the index: whatever the history, answers are those of a rebuild from scratch.

Generated histories of clusters (objects that come and go, watches that lag, repeat themselves and
expire, links, restarts) run under proxies that open, read, close and reopen streams at any time. At
the end every proxy must know what a fresh index, told what is left in any order, tells a fresh
stream. N23 of the catalogue is in it: a re-list wakes nobody.

More of them: `HISTORIES=20000 pytest tests/services/destination/index/test_index_histories.py`.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from services.destination.index import Kind
from tests.support.destination.histories import law
from tests.support.destination.stored import SOURCES

HISTORIES = int(os.environ.get("HISTORIES", "150"))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The histories are full of malformed objects; that these are reported is tested elsewhere."""
    with capture_logs():
        yield


@pytest.mark.timeout(120 + HISTORIES // 10)
@settings(max_examples=HISTORIES, deadline=None, suppress_health_check=[*HealthCheck])
@given(st.integers(0, 1 << 64), st.integers(1, 120), st.sampled_from(list(SOURCES)))
def test_any_history_ends_like_a_rebuild(seed: int, length: int, source: Kind) -> None:
    law(source).holds(seed, length)
