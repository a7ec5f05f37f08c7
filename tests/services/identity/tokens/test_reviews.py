"""Reviews in turn: bounds, retries, the circuit breaker, and verdicts that are kept."""

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random

import pytest
from structlog.testing import capture_logs

from linkerd.kube.client import KubeClient
from linkerd.kube.reviews import TokenReviewStatus
from linkerd.runtime.breaker import PAUSE, THRESHOLD
from linkerd.runtime.clock import SystemClock
from linkerd.runtime.metrics import registry
from services.identity.errors import ReviewRefusedError, ReviewUnavailableError
from services.identity.metrics import Metrics
from services.identity.tokens import reviews
from services.identity.tokens.cache import MAX_ENTRIES, CachedReviewer
from services.identity.tokens.judge import KubeReviewer
from services.identity.tokens.reviews import GuardedReviewer, Limits
from tests.support.api_peer import ApiPeer
from tests.support.clock import FakeClock
from tests.support.eventually import eventually
from tests.support.identity.reviews import GOOD, OURS, ApiServer

AWAY = ReviewUnavailableError("away")


class Guarded:
    """A guarded API server with time and limits of the test."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.server, self.clock, self.numbers = ApiServer(), FakeClock(), registry()
        self.guard = GuardedReviewer(
            self.server, Metrics(self.numbers), self.clock, limits=limits, random=Random(1)
        )

    async def ask(self, token: str = "t") -> TokenReviewStatus:
        return await self.guard(token, OURS)

    async def refused(self) -> str:
        with pytest.raises(ReviewUnavailableError) as caught:
            await self.ask()
        return str(caught.value)

    async def cut(self) -> None:
        """The server goes away, and the breaker knows."""
        self.server.verdict = AWAY
        asked = [asyncio.create_task(self.ask()) for _ in range(THRESHOLD)]
        await self.clock.advance(2)
        await asyncio.gather(*asked, return_exceptions=True)
        assert self.guard.breaker.is_open

    def number(self, name: str, **labels: str) -> float | None:
        return self.numbers.get_sample_value(f"identity_{name}", labels)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.fixture
async def small() -> Guarded:
    return Guarded(Limits(concurrency=2, queue=3))


class TestTurns:
    async def test_bounds(self, small: Guarded) -> None:
        small.server.open.clear()
        calls = [asyncio.create_task(small.ask(f"{n}")) for n in range(5)]
        await eventually(lambda: small.number("token_reviews_waiting") == 3)
        assert small.number("token_reviews_in_flight") == 2
        assert "too many wait" in await small.refused()
        assert small.number("token_reviews_shed_total", reason="queue full") == 1
        small.server.open.set()
        assert await asyncio.gather(*calls) == [GOOD] * 5
        assert small.server.most == 2
        assert small.server.asked == ["0", "1", "2", "3", "4"]
        assert small.number("token_reviews_in_flight") == 0
        assert small.number("token_reviews_waiting") == 0

    async def test_clients_that_leave_give_their_turn_back(self, small: Guarded) -> None:
        small.server.open.clear()
        calls = [asyncio.create_task(small.ask()) for _ in range(5)]
        await eventually(lambda: small.number("token_reviews_waiting") == 3)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        small.server.open.set()
        assert await small.ask() == GOOD
        assert not small.guard.breaker.is_open

    async def test_deadline(self) -> None:
        guarded = Guarded(Limits(deadline=0.01))
        guarded.server.open.clear()
        assert "in time: try again" in await guarded.refused()
        assert guarded.number("token_reviews_shed_total", reason="deadline") == 1
        assert guarded.server.under_way == 0


class TestRetries:
    @pytest.mark.parametrize("failures", [1, 2])
    async def test_transient(self, small: Guarded, failures: int) -> None:
        small.server.script = [AWAY] * failures
        call = asyncio.create_task(small.ask())
        await small.clock.advance(2)
        assert await call == GOOD
        assert small.number("token_review_retries_total") == failures

    async def test_not_for_ever(self, small: Guarded) -> None:
        small.server.script = [AWAY] * 3
        call = asyncio.create_task(small.ask())
        await small.clock.advance(5)
        with pytest.raises(ReviewUnavailableError):
            await call
        assert len(small.server.asked) == reviews.ATTEMPTS

    async def test_after_what_the_server_asks_for(self, small: Guarded) -> None:
        small.server.script = [ReviewUnavailableError("busy", overloaded=True, retry_after=1)]
        call = asyncio.create_task(small.ask())
        await small.clock.advance(0.99)
        assert len(small.server.asked) == 1
        await small.clock.advance(0.02)
        assert await call == GOOD

    async def test_not_of_a_refusal(self, small: Guarded) -> None:
        small.server.verdict = ReviewRefusedError("forbidden")
        for _ in range(2 * THRESHOLD):
            with pytest.raises(ReviewRefusedError):
                await small.ask()
        assert len(small.server.asked) == 2 * THRESHOLD
        assert not small.guard.breaker.is_open

    async def test_not_of_silence(self, small: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reviews, "ATTEMPT_TIMEOUT", 0.01)
        small.clock.rush()
        small.server.open.clear()
        assert "in time" in await small.refused()
        assert len(small.server.asked) == 1


class TestCircuit:
    async def test_away(self, small: Guarded) -> None:
        await small.cut()
        assert small.number("api_server_circuit_open") == 1
        await small.refused()  # the pause is over by now, so this one tries
        small.server.asked.clear()
        for _ in range(100):
            assert "API server does not answer: try again" in await small.refused()
        assert small.server.asked == []
        assert (small.number("token_reviews_shed_total", reason="circuit open") or 0) >= 100

    async def test_those_who_wait_are_told_at_once(
        self, small: Guarded, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reviews, "ATTEMPT_TIMEOUT", 0.02)
        small.guard.breaker._failures = THRESHOLD - 1
        small.server.open.clear()
        calls = [asyncio.create_task(small.ask()) for _ in range(5)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(each, ReviewUnavailableError) for each in results)
        assert len(small.server.asked) == 2

    async def test_one_probe_a_pause(self, small: Guarded) -> None:
        """The next one does not wait for the last."""
        await small.cut()
        small.server.asked.clear()
        small.server.open.clear()
        probes = []
        for number in (1, 2):
            await small.clock.advance(PAUSE * 1.5)
            probes.append(asyncio.create_task(small.ask()))
            await eventually(partial(small.server.has_under_way, number))
            await small.refused()
        small.server.verdict = GOOD
        small.server.open.set()
        assert await asyncio.gather(*probes) == [GOOD, GOOD]
        assert len(small.server.asked) == 2
        assert small.number("api_server_circuit_open") == 0
        assert await small.ask() == GOOD

    async def test_a_probe_that_fails(self, small: Guarded) -> None:
        await small.cut()
        await small.clock.advance(PAUSE * 1.5)
        await small.refused()
        assert small.guard.breaker.is_open
        asked = len(small.server.asked)
        await small.refused()
        assert len(small.server.asked) == asked

    async def test_a_probe_that_is_cancelled_leaves_room_for_the_next(self, small: Guarded) -> None:
        await small.cut()
        await small.clock.advance(PAUSE * 1.5)
        small.server.open.clear()
        probe = asyncio.create_task(small.ask())
        await eventually(lambda: small.server.under_way == 1)
        probe.cancel()
        await asyncio.wait([probe])
        small.server.verdict = GOOD
        small.server.open.set()
        await small.clock.advance(PAUSE * 1.5)
        assert await small.ask() == GOOD


async def test_a_slow_server_that_hung_once_is_asked_again(tmp_path: Path) -> None:
    """One that answers in 2 s is served from, and so it is after it was silent for a while: with
    the program's own times, as what matters is how they compare."""
    async with (
        ApiPeer() as peer,
        await KubeClient.connect(peer.kubeconfig(tmp_path), user_agent="test") as client,
    ):
        guard = GuardedReviewer(KubeReviewer(client), Metrics(registry()), SystemClock())
        peer.hangs = True
        calls = (guard(f"{number}", OURS) for number in range(THRESHOLD))
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(each, ReviewUnavailableError) for each in results)
        assert guard.breaker.is_open
        peer.hangs, peer.review_seconds = False, 2.0

        async def granted() -> bool:
            try:
                return (await guard("t", OURS)).authenticated
            except ReviewUnavailableError:
                await asyncio.sleep(0.05)
                return False

        async with asyncio.timeout(8):
            while not await granted():
                pass
        assert not guard.breaker.is_open


class Cached:
    """A cache of ten seconds."""

    def __init__(self) -> None:
        self.server, self.clock, self.numbers = ApiServer(), FakeClock(), registry()
        self.review = CachedReviewer(self.server, Metrics(self.numbers), self.clock, 10)


class TestCache:
    async def test_good_verdicts_for_a_while(self) -> None:
        cached = Cached()
        for _ in range(3):
            assert await cached.review("t", OURS) == GOOD
        assert cached.server.asked == ["t"]
        await cached.clock.advance(10)
        cached.server.verdict = TokenReviewStatus(error="revoked")
        assert (await cached.review("t", OURS)).error == "revoked"
        name = "identity_token_review_cache_total"
        assert cached.numbers.get_sample_value(name, {"result": "hit"}) == 2
        assert cached.numbers.get_sample_value(name, {"result": "miss"}) == 2

    @pytest.mark.parametrize("verdict", [TokenReviewStatus(), TokenReviewStatus(error="expired")])
    async def test_bad_ones_never(self, verdict: TokenReviewStatus) -> None:
        cached = Cached()
        cached.server.verdict = verdict
        await cached.review("t", OURS)
        cached.server.verdict = GOOD
        assert await cached.review("t", OURS) == GOOD

    async def test_failures_never(self) -> None:
        cached = Cached()
        cached.server.script = [AWAY]
        with pytest.raises(ReviewUnavailableError):
            await cached.review("t", OURS)
        assert await cached.review("t", OURS) == GOOD

    async def test_keyed_by_token_and_audience(self) -> None:
        cached = Cached()
        await cached.review("t", OURS)
        await cached.review("t", [])
        await cached.review("u", OURS)
        await cached.review("t", ["identity", "l5d.io"])
        assert len(cached.server.asked) == 4

    async def test_holds_no_token_and_is_bounded(self) -> None:
        cached = Cached()
        for number in range(MAX_ENTRIES + 100):
            await cached.review(f"secret-{number}", OURS)
        assert len(cached.review._verdicts) == MAX_ENTRIES
        assert "secret" not in str(cached.review._verdicts)

    async def test_old_ones_leave_memory(self) -> None:
        cached = Cached()
        for number in range(100):
            await cached.review(f"{number}", OURS)
        await cached.clock.advance(11)
        await cached.review("another", OURS)
        assert len(cached.review._verdicts) == 1
