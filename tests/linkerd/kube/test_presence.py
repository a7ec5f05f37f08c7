"""One asks for all whether the API server is back; time is the test's."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from random import Random
from typing import Literal
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from linkerd.kube import presence as module
from linkerd.kube.presence import Presence
from tests.support.clock import FakeClock, settle
from tests.support.eventually import eventually

State = Literal["up", "down", "silent", "slow"]


class Server:
    """An API server that is there, refuses, swallows what it is sent, or takes three seconds."""

    def __init__(self, clock: FakeClock) -> None:
        self.state: State = "up"
        self.asked: list[float] = []
        self.open = 0
        self._clock = clock

    async def ask(self) -> bool:
        self.asked.append(self._clock.monotonic())
        self.open += 1
        try:
            if self.state == "silent":
                await self._clock.sleep(5)  # the client's patience
                return False
            if self.state == "slow":
                await self._clock.sleep(3)
            return self.state != "down"
        finally:
            self.open -= 1


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def server(clock: FakeClock) -> Server:
    return Server(clock)


@pytest.fixture
async def presence(server: Server, clock: FakeClock) -> AsyncIterator[Presence]:
    presence = Presence(server.ask, clock, Random(1))
    yield presence
    await presence.close()
    assert server.open == 0


async def test_nobody_asks_while_requests_are_answered(
    presence: Presence, server: Server, clock: FakeClock
) -> None:
    await clock.advance(60)
    assert server.asked == []
    presence.missed()
    await clock.advance(60)
    assert (len(server.asked), presence.away, presence.returns) == (1, False, 0)


async def test_all_go_on_within_two_seconds_of_its_return(clock: FakeClock) -> None:
    for seed in range(20):
        server = Server(clock)
        server.state = "down"
        presence = Presence(server.ask, clock, Random(seed))
        waiting = [asyncio.create_task(presence.cut_short(clock.sleep(3600))) for _ in range(12)]
        presence.missed()
        presence.missed()
        await clock.advance(100 + seed / 7)
        assert presence.away
        assert not any(task.done() for task in waiting)
        assert 80 <= len(server.asked) <= 130
        server.state = "up"
        await clock.advance(1.7)
        assert all(task.done() for task in waiting)
        asked = len(server.asked)
        await clock.advance(60)
        assert (len(server.asked), presence.away, presence.returns) == (asked, False, 1)


async def test_replicas_go_on_one_after_the_other(clock: FakeClock) -> None:
    moments = set()
    for seed in range(20):
        server = Server(clock)
        server.state = "down"
        presence = Presence(server.ask, clock, Random(seed))
        waiting = asyncio.create_task(presence.cut_short(clock.sleep(3600)))
        presence.missed()
        await clock.advance(10)
        server.state = "up"
        begun = clock.monotonic()
        while not waiting.done():
            await clock.advance(0.05)
        moments.add(round(clock.monotonic() - begun, 2))
    assert len(moments) > 10


async def test_a_pause_that_nothing_cuts_short_ends_by_itself(
    presence: Presence, server: Server, clock: FakeClock
) -> None:
    server.state = "down"
    presence.missed()
    waiting = asyncio.create_task(presence.cut_short(clock.sleep(5)))
    await clock.advance(4.9)
    assert not waiting.done()
    await clock.advance(0.2)
    assert waiting.done()


async def test_in_a_black_hole_each_second_another_question_is_sent(
    presence: Presence, server: Server, clock: FakeClock
) -> None:
    server.state = "silent"
    presence.missed()
    await clock.advance(30)
    assert server.open <= 8
    gaps = [b - a for a, b in pairwise(server.asked)]
    assert max(gaps) <= 1.2
    waiting = asyncio.create_task(presence.cut_short(clock.sleep(3600)))
    await settle()
    server.state = "up"
    await clock.advance(1.7)
    assert waiting.done()


async def test_a_question_that_is_answered_before_an_earlier_one_tells_of_a_return(
    presence: Presence, server: Server, clock: FakeClock
) -> None:
    outcomes = []

    async def request() -> None:
        try:
            async with presence.answering():
                await asyncio.Event().wait()
        except TimeoutError:
            outcomes.append("given up")

    server.state = "silent"
    early = asyncio.create_task(request())
    presence.missed()
    await clock.advance(2.5)
    server.state = "up"
    await clock.advance(1.0)
    late = asyncio.create_task(request())
    await clock.advance(1.0)
    await eventually(early.done, "the request that nobody answers being given up")
    assert (outcomes, presence.returns, presence.away) == (["given up"], 1, False)
    await clock.advance(60)
    assert not late.done()
    late.cancel()


async def test_a_server_that_is_slow_is_not_away(
    presence: Presence, server: Server, clock: FakeClock
) -> None:
    server.state = "slow"
    presence.missed()
    await clock.advance(60)
    assert (presence.away, presence.returns) == (False, 0)
    assert len(server.asked) <= 5


async def test_one_that_was_away_and_is_slow_is_back(
    presence: Presence, server: Server, clock: FakeClock
) -> None:
    server.state = "down"
    presence.missed()
    await clock.advance(10)
    server.state = "slow"
    await clock.advance(6)
    assert (presence.away, presence.returns) == (False, 1)


async def test_a_server_that_comes_and_goes_is_believed_less_and_less(
    presence: Presence, server: Server, clock: FakeClock
) -> None:
    for _ in range(40):  # two seconds here, three away
        server.state = "down"
        presence.missed()
        await clock.advance(3)
        server.state = "up"
        await clock.advance(2)
    assert 1 <= presence.returns <= 4
    await clock.advance(20)
    returns = presence.returns
    assert not presence.away
    await clock.advance(60)
    server.state = "down"
    presence.missed()
    await clock.advance(10)
    server.state = "up"
    await clock.advance(1.7)
    assert presence.returns == returns + 1, "it was there for long"


async def test_a_request_without_an_answer_raises_a_doubt(
    presence: Presence, server: Server
) -> None:
    with mock.patch.object(module, "_SLOW", 0.01):
        async with presence.answering(slow=True):
            await asyncio.sleep(0)
        await asyncio.sleep(0.02)
        assert server.asked == []
        async with presence.answering(slow=True):
            await eventually(lambda: server.asked, "the server being asked")


_STATES = st.sampled_from(["up", "down", "silent"])
_SPANS = st.lists(st.tuples(_STATES, st.floats(0.1, 30)), max_size=4)


@settings(max_examples=30, deadline=None)
@example([("down", 1.0), ("up", 1.0)], 1)  # it goes again while its return is being told
@given(_SPANS, st.integers(0, 1000))
def test_whatever_it_does_the_end_of_it_is_noticed(
    spans: list[tuple[State, float]], seed: int
) -> None:
    """And it is never asked more than 1.25 times a second."""

    async def live_through() -> None:
        clock = FakeClock()
        server = Server(clock)
        presence = Presence(server.ask, clock, Random(seed))
        for state, seconds in spans:
            server.state = state
            presence.missed()
            await clock.advance(seconds)
        server.state = "down"
        presence.missed()
        await clock.advance(6)
        waiting = asyncio.create_task(presence.cut_short(clock.sleep(3600)))
        await settle()
        server.state = "up"
        await clock.advance(16 * 1.2 + 2)
        assert waiting.done()
        assert len(server.asked) <= clock.monotonic() / 0.8 + len(spans) + 2
        await presence.close()

    asyncio.run(live_through())
