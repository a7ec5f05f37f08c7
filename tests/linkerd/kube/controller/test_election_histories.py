"""Elections whose lines break and whose candidates end, in any order."""

import asyncio
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.support.elections import Candidate, Court

_STATES = st.sampled_from(["ok", "ok", "ok", "refused", "stalled", "deaf"])
_STEP = st.one_of(
    st.tuples(st.just("advance"), st.floats(0.1, 45)),
    st.tuples(st.just("line"), st.integers(0, 2), _STATES),
    st.tuples(st.just("stop"), st.integers(0, 2)),
    st.tuples(st.just("kill"), st.integers(0, 2)),
    st.tuples(st.just("touch")),
    st.tuples(st.just("delete")),
)


@hypothesis_settings(max_examples=25, deadline=None)
@given(st.lists(_STEP, max_size=25), st.floats(0, 15))
def test_never_two_leaders_and_always_one_in_the_end(
    steps: Sequence[tuple[Any, ...]], slow: float
) -> None:
    """Three replicas whose lines break and whose processes end and come again. Deleting the Lease
    while somebody leads is a way to have two, so it happens only when nobody does."""
    asyncio.run(_live_through(steps, slow))


async def _live_through(steps: Sequence[tuple[Any, ...]], slow: float) -> None:
    court = Court()
    try:
        await _check(court, steps, slow)
    finally:
        await court.close()
    assert court.store.holder == ""


async def _check(court: Court, steps: Sequence[tuple[Any, ...]], slow: float) -> None:
    candidates = [court.candidate(name, slow=slow) for name in "abc"]
    for step in steps:
        await _do(step, court, candidates, slow)
        assert len(court.ruling) <= 1, step
    for candidate in candidates:
        candidate.line.state = "ok"
    await court.clock.advance(120)
    assert len(court.ruling) == 1
    assert court.most == 1
    assert court.store.holder == court.ruling[0]


async def _do(
    step: tuple[Any, ...], court: Court, candidates: list[Candidate], slow: float
) -> None:
    match step:
        case ("advance", seconds):
            await court.clock.advance(seconds)
        case ("line", index, state):
            candidates[index].line.state = state
        case ("stop" | "kill" as how, index):
            old = candidates[index]
            end = asyncio.ensure_future(old.stop() if how == "stop" else old.kill())
            await court.clock.advance(20)
            await end
            name = f"{old.identity}+"
            candidates[index] = court.candidate(name, slow=slow)
        case ("touch",):
            if court.store.lease is not None:
                court.store.write(court.store.lease)
        case ("delete",):
            if not court.ruling:
                court.store.lease = None
