"""The circuit breaker, whatever happens to it."""

import asyncio
from collections.abc import Callable
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from linkerd.runtime.breaker import PAUSE, Breaker
from tests.support.clock import FakeClock


@given(st.lists(st.sampled_from(["ask", "good", "bad", "wait"]), max_size=60))
@settings(deadline=None)
def test_never_stuck(steps: list[str]) -> None:
    """Whatever happens, a caller is admitted after a pause, and one a pause while open."""
    clock, changes = FakeClock(), list[bool]()
    breaker = Breaker(clock, Random(1), changes.append)
    last_probe: float | None = None
    acts: dict[str, Callable[[], None]] = {"good": breaker.succeeded, "bad": breaker.failed}
    for step in steps:
        if step == "wait":
            asyncio.run(clock.advance(PAUSE / 2))
        elif step == "ask":
            was_open = breaker.is_open
            if breaker.admits() and was_open:
                now = clock.monotonic()
                assert last_probe is None or now - last_probe >= PAUSE / 2
                last_probe = now
        else:
            acts[step]()
            last_probe = last_probe if breaker.is_open else None
    asyncio.run(clock.advance(PAUSE * 1.5))
    assert breaker.admits()
    assert changes == [n % 2 == 0 for n in range(len(changes))]
