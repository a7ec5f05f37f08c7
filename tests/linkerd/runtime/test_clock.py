"""The system's clock, and the fake that tests stand on."""

import asyncio
from datetime import UTC, datetime, timedelta

from linkerd.runtime.clock import Clock, SystemClock
from tests.support.clock import FakeClock, settle


async def test_the_system_clock_tells_utc_and_sleeps() -> None:
    clock: Clock = SystemClock()
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
    assert clock.now().tzinfo is UTC
    before = clock.monotonic()
    await clock.sleep(0.01)
    await clock.sleep(-1)
    assert clock.monotonic() - before >= 0.01


async def test_the_fake_clock_wakes_in_order_and_again() -> None:
    clock = FakeClock()
    start = clock.now()
    woken: list[tuple[str, float]] = []

    async def tick(name: str, seconds: float) -> None:
        while True:
            await clock.sleep(seconds)
            woken.append((name, clock.monotonic()))

    tasks = [asyncio.create_task(tick("two", 2)), asyncio.create_task(tick("three", 3))]
    await clock.wait_for_sleepers(2)
    assert clock.sleeping == [2, 3]
    await clock.advance(4.5)
    assert woken == [("two", 2), ("three", 3), ("two", 4)]
    assert clock.now() - start == timedelta(seconds=4.5)
    for task in tasks:
        task.cancel()
    await settle()
    assert clock.sleeping == []


async def test_a_rush_ends_all_sleeps() -> None:
    clock = FakeClock()
    sleeping = asyncio.create_task(clock.sleep(1000))
    await clock.wait_for_sleepers()
    clock.rush()
    await asyncio.wait_for(sleeping, 1)
    await asyncio.wait_for(clock.sleep(1000), 1)
