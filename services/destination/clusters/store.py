"""Which clusters are linked, kept in step with the Secrets of the control plane's namespace.

New credentials take over when the cluster has been read through them, until when the old ones
serve: streams hear nothing of a rotation. A Secret that is deleted and made again within half a
minute, which is how some rotate, is a rotation too. A Secret that is edited into nonsense changes
nothing but the log.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, NamedTuple

from linkerd.kube.events import Applied, Event
from linkerd.kube.objects import Key, Secret
from linkerd.kube.reflector_metrics import ReflectorMetrics
from linkerd.runtime.clock import Clock
from linkerd.runtime.logs import get_logger
from services.destination.clusters.links import Link, LinkError, link_of
from services.destination.clusters.reading import Reading
from services.destination.index import Index

MEMORY: Final = 128 << 20
"""Bytes: enough for some 20,000 pods with all that belongs to them."""

_LINGER: Final = 30.0  # seconds that a cluster stays known after its Secret is gone
_log = get_logger(__name__)


@dataclass(slots=True)
class _Slot:
    """What is read under one name: `serving` is known whole, `coming` is to replace it."""

    serving: Reading | None = None
    coming: Reading | None = None
    leaving: asyncio.Task[None] | None = None
    ending: set[asyncio.Task[None]] = field(default_factory=set)  # readings that are being stopped

    @property
    def waits(self) -> bool:
        """Whether it is worth waiting for a first answer."""
        task = self.coming.task if self.coming is not None else None
        return self.serving is None and task is not None and not task.done()


class LinkState(NamedTuple):
    """Whether a cluster is known whole and kept in step, the bytes that it takes, and how often it
    was given up, by reason, through the credentials that are in use."""

    cluster: str
    current: bool
    memory: int
    drops: Counter[str]


class ClusterStore:
    """Reads every linked cluster into `index`; needs a running loop. `slices`: endpoints are read
    from EndpointSlices, or else from Endpoints. `memory`: bytes that each may take."""

    def __init__(
        self,
        index: Index,
        controller_namespace: str,
        *,
        clock: Clock,
        metrics: ReflectorMetrics,
        slices: bool = True,
        memory: int = MEMORY,
    ) -> None:
        self._index = index
        self._namespace = controller_namespace
        self._clock = clock
        self._metrics = metrics
        self._slices = slices
        self._memory = memory
        self._links: defaultdict[str, dict[Key, Link]] = defaultdict(dict)
        self._names: dict[Key, str] = {}
        self._slots: dict[str, _Slot] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._progress = asyncio.Event()

    def on_secrets(self, events: Sequence[Event[Secret]]) -> None:
        """What the reflector of the Secrets calls."""
        touched: dict[str, None] = {}
        for event in events:
            secret = event.object
            present = isinstance(event, Applied)
            touched.update(dict.fromkeys(self._take(secret.metadata.key, secret, present=present)))
        for name in touched:
            self._settle(name)

    async def settled(self, limit: timedelta) -> None:
        """Returns when every linked cluster has been read, or after `limit`: one that is away must
        not keep the others, and our own, from being served."""
        try:
            async with asyncio.timeout(limit.total_seconds()):
                while any(slot.waits for slot in self._slots.values()):
                    self._progress.clear()
                    await self._progress.wait()
        except TimeoutError:
            unread = sorted(name for name, slot in self._slots.items() if slot.waits)
            _log.warning("linked clusters do not answer; we start without them", waiting=unread)

    def states(self) -> Iterator[LinkState]:
        """How it stands with each linked cluster."""
        for name, slot in self._slots.items():
            readings = [reading for reading in (slot.serving, slot.coming) if reading is not None]
            yield LinkState(
                name,
                current=slot.serving is not None and slot.serving.current,
                memory=sum(reading.quota.used for reading in readings),
                drops=sum((reading.drops for reading in readings), Counter()),
            )

    async def close(self) -> None:
        """Ends all reading."""
        for task in self._tasks:
            task.cancel()
        readings = [r for slot in self._slots.values() for r in (slot.serving, slot.coming) if r]
        await asyncio.gather(*(reading.stop() for reading in readings))
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _take(self, key: Key, secret: Secret, *, present: bool) -> list[str]:
        """Files what a Secret says; the names whose links may have changed."""
        try:
            link = link_of(secret) if present else None
        except LinkError as error:
            what = "the last good one stays in use" if key in self._names else "it links nothing"
            self._complain(key, f"{error}; {what}")
            return []
        self._index.home.complaints.forget("Secret", *key)
        before = self._names.pop(key, None)
        if before is not None:
            del self._links[before][key]
        if link is not None:
            self._names[key] = link.name
            self._links[link.name][key] = link
        return [name for name in (before, link.name if link is not None else None) if name]

    def _wanted(self, name: str) -> Link | None:
        """The link of that name; of several Secrets the first by name."""
        links = self._links[name]
        if not links:
            del self._links[name]
            return None
        first, *others = sorted(links)
        for key in others:
            self._complain(key, f"{name} is linked by Secret {first.name} already; this is ignored")
        return links[first]

    def _settle(self, name: str) -> None:
        """Starts and ends reading, as the Secrets want it now."""
        link = self._wanted(name)
        slot = self._slots.setdefault(name, _Slot())
        if slot.leaving is not None:
            slot.leaving.cancel()
            slot.leaving = None
        if slot.coming is not None and slot.coming.link != link:
            self._end(slot, slot.coming)
            slot.coming = None
        if link is None:
            slot.leaving = self._spawn(self._leave(name, slot), name)
        elif slot.coming is None and (slot.serving is None or slot.serving.link != link):
            self._index.clusters.announce(name)
            self._begin(slot, link)

    def _begin(self, slot: _Slot, link: Link) -> None:
        def on_read(reading: Reading) -> None:
            self._has_read(slot, reading)

        slot.coming = Reading(
            link,
            self._index,
            self._namespace,
            on_read,
            slices=self._slices,
            memory=self._memory,
            clock=self._clock,
            metrics=self._metrics,
        )
        task = slot.coming.start()
        task.add_done_callback(lambda _: self._progress.set())

    def _has_read(self, slot: _Slot, reading: Reading) -> None:
        if slot.coming is reading:
            if slot.serving is not None:
                self._end(slot, slot.serving)
            slot.serving, slot.coming = reading, None
        if slot.serving is reading and reading.context is not None:
            _log.info("a linked cluster has been read", cluster=reading.link.name)
            self._index.link(reading.link.name, reading.context)
            self._progress.set()

    async def _leave(self, name: str, slot: _Slot) -> None:
        if slot.serving is not None:
            _log.info("a linked cluster's Secret is gone", cluster=name, delay_seconds=_LINGER)
            await self._clock.sleep(_LINGER)
        del self._slots[name]
        self._index.unlink(name)
        if slot.serving is not None:
            self._end(slot, slot.serving)
        await asyncio.gather(*slot.ending)
        if name not in self._slots:
            self._metrics.forget(name)

    def _end(self, slot: _Slot, reading: Reading) -> None:
        task = self._spawn(reading.stop(), reading.link.name)
        slot.ending.add(task)
        task.add_done_callback(slot.ending.discard)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"linked cluster {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _complain(self, key: Key, problem: str) -> None:
        self._index.home.complaints.about("Secret", *key, "link", problem)
