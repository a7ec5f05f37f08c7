"""The law of indexes for ports: whatever the history, answers are those of a rebuild from scratch,
and what an independent model reads off the objects.

More of them: `HISTORIES=20000 pytest tests/services/policy -k inbound_histories`.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.support.policy.inbound_law import LAW

HISTORIES = int(os.environ.get("HISTORIES", "50"))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The histories are full of malformed objects; that these are reported is tested elsewhere."""
    with capture_logs():
        yield


@pytest.mark.timeout(120 + HISTORIES // 10)
@settings(max_examples=HISTORIES, deadline=None, suppress_health_check=[*HealthCheck])
@given(st.integers(0, 1 << 64), st.integers(1, 120))
def test_any_history_ends_like_a_rebuild(seed: int, length: int) -> None:
    LAW.holds(seed, length)
