"""A controller before a server of the test's own, in time that the test moves."""

from collections.abc import AsyncIterator, Iterable, Sequence

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from linkerd.kube.controller.controller import (
    EDITS,
    MOST_RETRIES,
    Controller,
    ControllerMetrics,
)
from linkerd.kube.controller.queue_metrics import QueueFamilies, QueueMetrics
from linkerd.kube.controller.writes import Client, Patch, Write
from linkerd.kube.events import Event
from linkerd.kube.objects import ConfigMap, Key
from linkerd.kube.resource import CONFIG_MAPS
from linkerd.runtime.clock import Clock
from tests.support.clock import FakeClock, settle
from tests.support.controllers.copies import Copies, original
from tests.support.controllers.replica import Make, Replica
from tests.support.controllers.store import Store


class Stubborn:
    """Asks for the same write whatever there is."""

    def __init__(self, client: Client, clock: Clock, registry: CollectorRegistry) -> None:
        self.controller = Controller(
            self,
            client,
            clock,
            what="the same",
            metrics=ControllerMetrics("same", registry),
            queue_metrics=QueueMetrics("same", QueueFamilies(registry), clock),
        )
        self.listeners = {CONFIG_MAPS.kind: self.controller.listener(CONFIG_MAPS, self._take)}
        self._known: dict[Key, ConfigMap] = {}

    def keys(self) -> Iterable[Key]:
        return self._known

    def plan(self, key: Key) -> Sequence[Write]:
        return [Patch(CONFIG_MAPS, self._known[key], {"data": {"text": "x"}})]

    def _take(self, event: Event[ConfigMap]) -> set[Key]:
        self._known[event.object.metadata.key] = event.object
        return {event.object.metadata.key}


class Broken(Copies):
    """Cannot plan for "a"."""

    def plan(self, key: Key) -> Sequence[Write]:
        if key.name == "a":
            raise RuntimeError("a mistake of ours")
        return super().plan(key)


class Bench:
    """A replica that leads."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = Store(self.clock, CONFIG_MAPS)
        self.replica: Replica

    def lead(self, make: Make) -> None:
        self.replica = Replica(self.store, self.clock, [CONFIG_MAPS], make)
        self.replica.lead()

    def put(self, name: str, **data: str) -> None:
        self.store.put(CONFIG_MAPS, original(name, **data))


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    await made.replica.lose()


async def test_a_write_that_changes_nothing_on_the_server_is_not_waited_for(bench: Bench) -> None:
    """No event will show it."""
    bench.put("a", text="x")
    bench.lead(Stubborn)
    await bench.replica.rest()
    bench.put("a", text="x", more="y")
    await bench.replica.rest()
    assert bench.store.pointless == 2
    assert bench.replica.value("workqueue_retries_total") == 0


async def test_what_fails_is_given_up_after_fifteen_retries_until_its_next_event(
    bench: Bench,
) -> None:
    bench.put("a", copies="1", text="x")
    bench.store.faults.extend(["forbidden"] * (MOST_RETRIES + 1))
    bench.lead(Copies)
    with capture_logs() as logs:
        await bench.replica.rest()
    assert bench.replica.value("workqueue_drops_total") == 1
    assert bench.replica.value("workqueue_retries_total") == MOST_RETRIES
    assert bench.replica.value("copies_failures_total") == MOST_RETRIES + 1
    assert [(each["log_level"], each["event"], each["name"]) for each in logs] == [
        ("warning", "copies of the ConfigMap could not be written; trying again", "a"),
        ("error", "copies of the ConfigMap given up until its next event", "a"),
    ]
    assert bench.clock.monotonic() == pytest.approx(0.005 * (2**MOST_RETRIES - 1))
    assert not bench.store.written
    bench.put("a", copies="1", text="y")
    await bench.replica.rest()
    assert len(bench.store.written) == 1


async def test_a_mistake_of_ours_concerns_its_key_alone(bench: Bench) -> None:
    bench.put("a", copies="1", text="x")
    bench.put("b", copies="1", text="x")
    bench.lead(Broken)
    with capture_logs() as logs:
        await bench.replica.rest()
    assert [each.key.name for each in bench.store.written] == ["b-0"]
    assert bench.replica.value("workqueue_drops_total") == 1
    assert "copies of the ConfigMap failed" in {each["event"] for each in logs}


async def test_who_does_not_lead_queues_nothing(bench: Bench) -> None:
    bench.lead(Copies)
    await bench.replica.rest()
    await bench.replica.lose()
    bench.put("a", copies="1", text="x")
    await bench.replica.rest()
    assert bench.replica.value("workqueue_adds_total") == 0


async def test_nothing_is_written_when_somebody_else_may_lead(bench: Bench) -> None:
    sure: list[str] = []

    def make(client: Client, clock: Clock, registry: CollectorRegistry) -> Copies:
        made = Copies(client, clock, registry)
        made.controller.may_write = lambda: bool(sure)
        return made

    bench.put("a", copies="1", text="x")
    bench.lead(make)
    await bench.replica.rest()
    assert not bench.store.written
    sure.append("again")
    bench.put("a", copies="1", text="y")
    await bench.replica.rest()
    assert len(bench.store.written) == 1


async def test_who_undoes_what_we_write_is_answered_once_a_second_in_the_end(bench: Bench) -> None:
    bench.put("a", copies="1", text="x")
    bench.lead(Copies)
    copy = Key("ns", "a-0")
    for _ in range(1000):  # 100 seconds
        await settle()
        if bench.store.objects[CONFIG_MAPS.kind, copy]["data"]["text"] == "x":
            bench.store.patch(CONFIG_MAPS, copy, {"data": {"text": "z"}})
        bench.replica.deliver()
        await bench.clock.advance(0.1)
    assert EDITS + 80 <= len(bench.store.written) <= EDITS + 110
    await bench.replica.rest()
    assert bench.store.objects[CONFIG_MAPS.kind, copy]["data"]["text"] == "x"


async def test_an_edit_of_another_key_is_answered_at_once_meanwhile(bench: Bench) -> None:
    for name in "ab":
        bench.put(name, copies="1", text="x")
    bench.lead(Copies)
    await bench.replica.rest()
    for number in range(EDITS + 5):
        bench.store.patch(CONFIG_MAPS, Key("ns", "a-0"), {"data": {"text": f"z{number}"}})
    bench.store.patch(CONFIG_MAPS, Key("ns", "b-0"), {"data": {"text": "z"}})
    bench.replica.deliver()
    await settle()
    assert bench.store.objects[CONFIG_MAPS.kind, Key("ns", "b-0")]["data"]["text"] == "x"
    assert bench.clock.sleeping == [2.0]
