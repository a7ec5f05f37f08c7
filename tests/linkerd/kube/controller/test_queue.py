"""Keys in a queue, in time that the test moves."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from linkerd.kube.controller.queue import RateLimiter, WorkQueue
from linkerd.kube.controller.queue_metrics import QueueFamilies, QueueMetrics
from linkerd.kube.objects import Key
from tests.support.clock import FakeClock, settle

A, B = Key("fin", "a"), Key("fin", "b")


class Desk:
    """A queue and what it measures."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.registry = CollectorRegistry()
        self.queue: WorkQueue[Key] = WorkQueue(
            self.clock, QueueMetrics("q", QueueFamilies(self.registry), self.clock)
        )

    def value(self, name: str) -> float | None:
        return self.registry.get_sample_value(f"workqueue_{name}", {"name": "q"})

    async def take(self) -> Key:
        async with asyncio.timeout(5):
            return await self.queue.get()


@pytest.fixture
def desk() -> Desk:
    return Desk()


class TestOrder:
    async def test_first_in_first_out_and_each_once(self, desk: Desk) -> None:
        for key in (A, B, A):
            desk.queue.add(key)
        assert len(desk.queue) == 2
        assert [await desk.take(), await desk.take()] == [A, B]
        assert len(desk.queue) == 0

    async def test_a_key_in_work_comes_again_afterwards(self, desk: Desk) -> None:
        desk.queue.add(A)
        assert await desk.take() == A
        desk.queue.add(A)
        desk.queue.add(A)
        assert len(desk.queue) == 0
        desk.queue.done(A)
        assert await desk.take() == A
        desk.queue.done(A)
        assert len(desk.queue) == 0

    async def test_who_waits_is_woken(self, desk: Desk) -> None:
        waiting = asyncio.create_task(desk.take())
        await settle()
        assert not waiting.done()
        desk.queue.add(B)
        assert await waiting == B


class TestRetries:
    async def test_delays_double(self, desk: Desk) -> None:
        delays = []
        for _ in range(4):
            desk.queue.retry(A)
            await settle()
            delays += desk.clock.sleeping
            await desk.clock.advance(10)
            assert await desk.take() == A
            desk.queue.done(A)
        assert delays == pytest.approx([0.005, 0.01, 0.02, 0.04])
        assert desk.queue.failures(A) == 4
        desk.queue.forget(A)
        assert desk.queue.failures(A) == 0

    def test_the_longest_delay(self) -> None:
        limiter = RateLimiter[Key](0.0)
        delays = [limiter.next_delay(A, 1000.0 * n) for n in range(100)]
        assert delays[17] == pytest.approx(655.36)
        assert set(delays[18:]) == {1000}

    def test_all_together_get_ten_a_second(self) -> None:
        limiter = RateLimiter[Key](0.0)
        delays = [limiter.next_delay(Key("fin", str(n)), 0.0) for n in range(130)]
        assert set(delays[:100]) == {0.005}
        assert delays[100:] == pytest.approx([(n + 1) / 10 for n in range(30)])
        assert limiter.next_delay(A, 3600.0) == 0.005

    async def test_a_key_that_is_added_meanwhile_does_not_wait(self, desk: Desk) -> None:
        desk.queue.retry(A)
        desk.queue.add(A)
        assert await desk.take() == A
        desk.queue.done(A)
        await desk.clock.advance(1)
        assert await desk.take() == A  # the retry comes all the same, as it does upstream


class TestEnds:
    async def test_clear_forgets_everything(self, desk: Desk) -> None:
        desk.queue.add(A)
        desk.queue.retry(B)
        desk.queue.clear()
        await desk.clock.advance(10)
        assert len(desk.queue) == 0
        assert desk.queue.failures(B) == 0
        desk.queue.add(A)
        assert await desk.take() == A

    async def test_drained_waits_for_what_waits_and_what_is_in_work(self, desk: Desk) -> None:
        desk.queue.add(A)
        desk.queue.add(B)
        desk.queue.retry(Key("fin", "later"))
        draining = asyncio.create_task(desk.queue.drained())
        for key in (A, B):
            await desk.take()
            await settle()
            assert not draining.done()
            desk.queue.done(key)
        await settle()
        assert draining.done()
        await desk.clock.advance(10)
        assert len(desk.queue) == 0

    async def test_an_empty_queue_is_drained(self, desk: Desk) -> None:
        async with asyncio.timeout(5):
            await desk.queue.drained()


class TestMetrics:
    async def test_what_is_told(self, desk: Desk) -> None:
        desk.queue.add(A)
        desk.queue.add(B)
        assert (desk.value("depth"), desk.value("adds_total")) == (2, 2)
        await desk.clock.advance(3)
        await desk.take()
        await desk.clock.advance(2)
        await desk.take()
        await desk.clock.advance(1)
        assert desk.value("depth") == 0
        assert desk.value("unfinished_work_seconds") == 4
        assert desk.value("longest_running_processor_seconds") == 3
        desk.queue.done(A)
        desk.queue.done(B)
        desk.queue.retry(A)
        desk.queue.drop(B)
        assert desk.value("queue_duration_seconds_sum") == 8
        assert desk.value("work_duration_seconds_sum") == 4
        assert desk.value("work_duration_seconds_count") == 2
        assert desk.value("unfinished_work_seconds") == 0
        assert (desk.value("retries_total"), desk.value("drops_total")) == (1, 1)
        buckets = [
            s for m in desk.registry.collect() for s in m.samples if "work_duration" in s.name
        ]
        bounds = [s.labels["le"] for s in buckets if "le" in s.labels]
        assert (bounds[0], bounds[-2], len(bounds)) == ("1e-08", "10.0", 11)

    async def test_queues_of_one_registry_are_told_apart(self) -> None:
        families, clock = QueueFamilies(registry := CollectorRegistry()), FakeClock()
        queues = [WorkQueue[Key](clock, QueueMetrics(name, families, clock)) for name in "ab"]
        queues[1].add(A)
        depths = [registry.get_sample_value("workqueue_depth", {"name": name}) for name in "ab"]
        assert depths == [0, 1]
