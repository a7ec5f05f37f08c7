"""A replica of a controller beside a `Store`: it leads, and sees, when the test says so."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
from prometheus_client import CollectorRegistry

from linkerd.kube.controller.controller import Controller
from linkerd.kube.controller.writes import Client
from linkerd.kube.events import Applied, Deleted, Event
from linkerd.kube.resource import Resource
from linkerd.runtime.clock import Clock
from tests.support.clock import FakeClock, settle
from tests.support.controllers.store import Change, Store

_LONGEST: Final = 1_000  # waits until a replica is at rest


class Controlled(Protocol):
    """A controller, and what to call with the events of a kind."""

    @property
    def controller(self) -> Controller[Any]: ...

    @property
    def listeners(self) -> Mapping[str, Callable[[Sequence[Event[Any]]], None]]: ...


Make = Callable[[Client, Clock, CollectorRegistry], Controlled]


class Replica:
    """Knows what there was when it came; then its watches show what `deliver` lets through."""

    def __init__(
        self, store: Store, clock: FakeClock, resources: Sequence[Resource[Any]], make: Make
    ) -> None:
        self.registry = CollectorRegistry()
        self._store = store
        self._clock = clock
        self._resources = {each.kind: each for each in resources}
        self._made = make(store, clock, self.registry)
        self._seen: Counter[str] = Counter()  # lines of the watch, by kind
        self._task: asyncio.Task[Any] | None = None
        for resource in resources:
            self._seen[resource.kind] = len(self._lines(resource.kind))
            found = store.of(resource)
            self._show([Change(resource.kind, each, deleted=False) for each in found])

    @property
    def behind(self) -> bool:
        """Whether there is something that it has not been shown."""
        return any(self._seen[kind] < len(self._lines(kind)) for kind in self._resources)

    def deliver(self, kind: str | None = None, most: int | None = None) -> None:
        """Shows so many of the next events of a kind; by default all, of all kinds."""
        for each in [kind] if kind else self._resources:
            lines = self._lines(each)[self._seen[each] :][:most]
            self._seen[each] += len(lines)
            self._show(lines)

    def relist(self) -> None:
        """Shows everything at once, as a reflector does that was cut off: of each object the last
        state, or that it is gone."""
        for kind in self._resources:
            lines = self._lines(kind)[self._seen[kind] :]
            self._seen[kind] += len(lines)
            last = {_name(each): each for each in lines}
            self._show([each for each in last.values() if not each.deleted])
            self._show([each for each in last.values() if each.deleted])

    def lead(self) -> None:
        """It holds the Lease, from now on."""
        if self._task is None:
            self._task = asyncio.create_task(self._made.controller.lead())

    async def lose(self) -> None:
        """It holds the Lease no more; a write that is under way is broken off."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
            self._task = None

    async def rest(self) -> None:
        """Shows everything, and lets time pass until it has nothing more to do."""
        for _ in range(_LONGEST):
            self.deliver()
            await settle()
            if self.behind:
                continue
            if self._clock.sleeping:
                await self._clock.advance(self._clock.sleeping[0])
            elif not self.value("workqueue_depth"):
                return
        raise AssertionError("it does not come to rest")

    def value(self, name: str) -> float:
        """The sum of a metric's series."""
        samples = [each for family in self.registry.collect() for each in family.samples]
        return sum(each.value for each in samples if each.name == name)

    def _lines(self, kind: str) -> list[Change]:
        return [each for each in self._store.changes if each.kind == kind]

    def _show(self, changes: Sequence[Change]) -> None:
        for each in changes:
            item = msgspec.convert(each.document, self._resources[each.kind].struct)
            event = Deleted(item) if each.deleted else Applied(item)
            self._made.listeners[each.kind]([event])


def _name(change: Change) -> tuple[str, str]:
    metadata = change.document["metadata"]
    return metadata["namespace"], metadata["name"]
