"""What holds for everything that writes through `linkerd.kube.controller`.

A service makes a test of `Law(...)` with its controller, the changes that people make, the damage
that others do to what it wrote, and what is right.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from linkerd.kube.controller.expectations import PATIENCE
from linkerd.kube.resource import Resource
from tests.support.clock import FakeClock, settle
from tests.support.controllers.replica import Make, Replica
from tests.support.controllers.store import FAULTS, Store

Act = Callable[[Store], None]
Step = tuple[Any, ...]

_MOST_FAULTS = 10  # of a history: a key is given up after 15 in a row
_REPLICAS = 2


@dataclass(frozen=True)
class Law:
    """`read` are the kinds that the controller reads. `change` is one of what it plans from, and
    `damage` one of what it wrote. `check` raises AssertionError unless all is as it should be."""

    read: Sequence[Resource[Any]]
    make: Make
    change: st.SearchStrategy[Act]
    damage: st.SearchStrategy[Act]
    check: Callable[[Store], None]

    def histories(self) -> st.SearchStrategy[list[Step]]:
        """Changes and damage, watches that lag, requests that fail, leaders that come and go."""
        which = st.integers(0, _REPLICAS - 1)
        kinds = st.sampled_from([each.kind for each in self.read])
        act = st.tuples(st.just("act"), st.one_of(self.change, self.change, self.damage))
        return st.lists(
            st.one_of(
                act,
                act,
                st.tuples(st.just("deliver"), which, kinds, st.integers(1, 4)),
                st.tuples(st.just("relist"), which),
                st.tuples(st.just("fail"), st.lists(st.sampled_from(FAULTS), max_size=3)),
                st.tuples(st.just("advance"), st.floats(0.001, 20)),
                st.tuples(st.just("work")),
                st.tuples(st.just("lead"), which),
                st.tuples(st.just("lose"), which),
                st.tuples(st.just("kill"), which),
            ),
            max_size=40,
        )

    def ends_as_planned(self, history: Sequence[Step]) -> None:
        """Whatever happened, and in which order: once the server answers and one of them leads, all
        is as it should be, and whoever comes to lead then writes nothing."""
        asyncio.run(_Life(self).through(history))

    def writes_once(self, changes: Sequence[Act]) -> None:
        """With a server that answers and watches in step, each change costs each object at most one
        write, nothing is refused or changes nothing, and our writes make no work themselves."""
        asyncio.run(self._writes_once(changes))

    async def _writes_once(self, changes: Sequence[Act]) -> None:
        life = _Life(self)
        leader = life.replicas[0]
        leader.lead()
        await leader.rest()
        for change in changes:
            life.store.written.clear()
            change(life.store)
            leader.deliver()
            looks = leader.value("workqueue_adds_total")
            await leader.rest()
            writes = Counter((each.kind, each.key) for each in life.store.written)
            assert all(number == 1 for number in writes.values()), writes
            assert leader.value("workqueue_adds_total") == looks, (
                "what we wrote was looked at again"
            )
            self.check(life.store)
        assert (life.store.conflicts, life.store.pointless) == (0, 0)
        await leader.lose()

    def follows_its_own_writes(self, changes: Sequence[tuple[Act, int, bool]]) -> None:
        """With watches that lag and no other writer, nothing is ever refused: no plan is made
        before our last write has been seen; and once it has been, nobody waits for it. Each change
        comes with how many events are shown, and whether an answer is slower than the watch."""
        asyncio.run(self._follows_its_own_writes(changes))

    async def _follows_its_own_writes(self, changes: Sequence[tuple[Act, int, bool]]) -> None:
        life = _Life(self)
        leader = life.replicas[0]
        leader.lead()
        for change, shown, late in changes:
            life.store.faults.extend(["late"] if late else [])
            change(life.store)
            for resource in self.read:
                leader.deliver(resource.kind, shown)
            await settle()
        await leader.rest()
        self.check(life.store)
        assert (life.store.conflicts, life.store.pointless) == (0, 0)
        assert life.clock.monotonic() < PATIENCE
        await leader.lose()


class _Life:
    """A store and its replicas."""

    def __init__(self, law: Law) -> None:
        self.clock = FakeClock()
        self.store = Store(self.clock, *law.read)
        self._law = law
        self._failures = 0
        self.replicas = [self._replica() for _ in range(_REPLICAS)]

    def _replica(self) -> Replica:
        return Replica(self.store, self.clock, self._law.read, self._law.make)

    async def through(self, history: Sequence[Step]) -> None:
        for step in history:
            await self._do(step)
        self.store.faults.clear()
        await self._settle_with(self.replicas[0])
        self._law.check(self.store)
        assert self.store.pointless == 0
        self.store.written.clear()
        for other in (*self.replicas, self._replica()):
            await self._settle_with(other)
        assert not self.store.written
        await self._only()

    async def _settle_with(self, leader: Replica) -> None:
        await self._only(leader)
        leader.lead()
        await leader.rest()

    async def _only(self, leader: Replica | None = None) -> None:
        """Nobody but this one leads."""
        for each in self.replicas:
            if each is not leader:
                await each.lose()

    async def _do(self, step: Step) -> None:
        match step:
            case ("act", act):
                act(self.store)
            case ("deliver", which, kind, number):
                self.replicas[which].deliver(kind, number)
            case ("relist", which):
                self.replicas[which].relist()
            case ("fail", faults):
                allowed = faults[: _MOST_FAULTS - self._failures]
                self._failures += len(allowed)
                self.store.faults.extend(allowed)
            case ("advance", seconds):
                await self.clock.advance(seconds)
            case ("work",):
                await settle()
            case ("lead", which):
                await self._only(self.replicas[which])
                self.replicas[which].lead()
            case ("lose", which):
                await self.replicas[which].lose()
            case ("kill", which):
                await self.replicas[which].lose()
                self.replicas[which] = self._replica()
