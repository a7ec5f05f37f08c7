"""Keeps objects on the API server as they should be, while it leads.

Events put keys into a queue; one worker plans each and makes the writes that the plan asks for, and
none where nothing differs. What fails is tried again, up to 15 times in a row, and then left until
its next event: one key never holds up the others.

Every write is refused unless the object is what it was planned from, so another controller of the
same object is never written over; what was planned from an old state is planned again. One that
insists on undoing what we write is answered 20 times at once, and then about once a second.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Generic, NoReturn, Protocol, TypeVar

from cachetools import LRUCache
from prometheus_client import CollectorRegistry

from linkerd.kube.controller.expectations import Expectations, Item
from linkerd.kube.controller.queue import WorkQueue
from linkerd.kube.controller.queue_metrics import QueueMetrics
from linkerd.kube.controller.rate import TokenBucket
from linkerd.kube.controller.writes import (
    Client,
    Create,
    NamespaceEndingError,
    OutdatedError,
    Patch,
    Write,
    Writer,
)
from linkerd.kube.errors import KubeError
from linkerd.kube.events import Applied, Event
from linkerd.kube.objects import KubeObject
from linkerd.kube.resource import Resource
from linkerd.runtime.clock import Clock
from linkerd.runtime.logs import get_logger
from linkerd.runtime.metrics import PlainCounter


class WorkKey(Protocol):
    """A named tuple that says what to work on: hashable, sortable, and in the log by its fields.
    Most often a `Key`; where objects of several kinds are written, their kind is one of them."""

    def __hash__(self) -> int: ...

    def __lt__(self, other: Any, /) -> bool: ...

    def _asdict(self) -> dict[str, Any]: ...


T = TypeVar("T", bound=KubeObject)
K = TypeVar("K", bound=WorkKey)

MOST_RETRIES: Final = 15
EDITS: Final = 20  # by others, of what a key stands for, that are looked at at once
_REFILL: Final = 0.5  # a second; as many again come after the wait for it, so about one in all
_EDITED: Final = 10_000  # keys whose edits are counted
_log: Final = get_logger(__name__)


class Planner(Protocol[K]):
    """What a controller is for. It looks at caches alone and waits for nothing."""

    def keys(self) -> Iterable[K]:
        """All that may need work: where a new leader begins."""

    def plan(self, key: K) -> Sequence[Write]:
        """What to write, in this order, to make of what is cached what should be."""


class ControllerMetrics:
    """What controllers of one purpose wrote, and what they could not deal with."""

    def __init__(self, prefix: str, registry: CollectorRegistry) -> None:
        self.writes = PlainCounter(
            f"{prefix}_writes_total", "Objects written.", ["operation"], registry
        )
        self.failures = PlainCounter(
            f"{prefix}_failures_total", "Keys that could not be dealt with.", [], registry
        )


class Controller(Generic[K]):
    """Put a `listener` of each kind behind those of the reflectors; `lead` while we hold the Lease.

    `what` a key stands for is for the log, in the plural.
    """

    def __init__(
        self,
        planner: Planner[K],
        client: Client,
        clock: Clock,
        *,
        what: str,
        metrics: ControllerMetrics,
        queue_metrics: QueueMetrics,
    ) -> None:
        self._planner = planner
        self._clock = clock
        self._what = what
        self._metrics = metrics
        self._writer = Writer(client)
        self._expectations: Expectations[K] = Expectations()
        self._queue: WorkQueue[K] = WorkQueue(clock, queue_metrics)
        self._leading = False
        self.may_write: Callable[[], bool] = lambda: True
        """Asked before each write."""
        self._kinds: set[str] = set()  # that we write
        self._edits: LRUCache[K, TokenBucket] = LRUCache(_EDITED)

    def listener(
        self, resource: Resource[T], concerned: Callable[[Event[T]], Iterable[K]]
    ) -> Callable[[Sequence[Event[T]]], None]:
        """What to call with each batch of events of a kind; it never raises. `concerned` updates
        the cache and says which keys an event concerns; those whose own write the event shows are
        not looked at again."""

        def take(events: Sequence[Event[T]]) -> None:
            for event in events:
                try:
                    self._take(resource.kind, event, concerned(event))
                except Exception:  # noqa: BLE001  # anything that a strange object may provoke
                    self._metrics.failures.inc()
                    _log.exception("an event could not be taken in; the next one may be")

        return take

    def _take(self, kind: str, event: Event[T], keys: Iterable[K]) -> None:
        metadata = event.object.metadata
        version = metadata.resource_version if isinstance(event, Applied) else None
        item = Item(kind, metadata.key)
        for key in keys:
            if self._expectations.saw(key, item, version):
                continue
            if kind in self._kinds and self._leading and not self._may_answer(key):
                self._queue.add_later(key, 1 / _REFILL)
            else:
                self.add(key)

    def _may_answer(self, key: K) -> bool:
        """Whether an edit by somebody else is to be looked at now."""
        now = self._clock.monotonic()
        bucket = self._edits.setdefault(key, TokenBucket(_REFILL, EDITS, now))
        return bucket.take(now)

    def add(self, key: K) -> None:
        """Has a key looked at, if we lead; a leader begins with all of them anyway."""
        if self._leading:
            self._queue.add(key)

    async def lead(self) -> NoReturn:
        """Works until it is cancelled. Begins with every key, and without memory of an earlier
        time: others may have written since."""
        self._expectations.clear()
        self._queue.clear()
        self._leading = True
        for key in sorted(self._planner.keys()):
            self._queue.add(key)
        try:
            while True:
                key = await self._queue.get()
                try:
                    await self._work(key)
                finally:
                    self._queue.done(key)
                await asyncio.sleep(0)  # most plans write nothing, and streams want their turn
        finally:
            self._leading = False
            self._queue.clear()

    async def drained(self) -> None:
        """Takes up nothing new; returns when what waits has been worked on."""
        if self._leading:
            self._leading = False
            await self._queue.drained()

    async def _work(self, key: K) -> None:
        try:
            await self._reconcile(key)
        except NamespaceEndingError:
            self._queue.forget(key)
        except (OutdatedError, KubeError) as error:
            self._fail(key, error)
        except Exception as error:  # noqa: BLE001  # a mistake of ours concerns this key alone
            _log.exception(f"{self._what} failed", **key._asdict())
            self._fail(key, error)
        else:
            self._queue.forget(key)

    def _fail(self, key: K, error: Exception) -> None:
        """Tries again later, or gives up. A race with the cache or another writer is no failure."""
        race = isinstance(error, OutdatedError)
        self._metrics.failures.inc(0 if race else 1)
        about = _log.bind(**key._asdict(), error=str(error))
        failures = self._queue.failures(key)
        if failures >= MOST_RETRIES:
            self._queue.drop(key)
            about.error(f"{self._what} given up until its next event")
            return
        if failures == 0 and not race:
            about.warning(f"{self._what} could not be written; trying again")
        self._queue.retry(key)

    async def _reconcile(self, key: K) -> None:
        if self._expectations.is_stale(key, self._clock.monotonic()):
            raise OutdatedError("our last write is not seen yet")
        for write in self._planner.plan(key):
            await self._carry_out(key, write)

    async def _carry_out(self, key: K, write: Write) -> None:
        if isinstance(write, Patch) and not write.document:
            return
        if not self.may_write():
            raise OutdatedError("another replica may lead by now")
        self._kinds.add(write.resource.kind)
        self._expectations.sending(key)
        made = await self._writer.send(write)
        self._metrics.writes.labels(write.operation).inc()
        before = None if isinstance(write, Create) else write.before.metadata
        now = made or before
        if now is None or (made and before and made.resource_version == before.resource_version):
            return  # the server sees no difference, so no event will show it
        version = made.resource_version if made else None
        item = Item(write.resource.kind, now.key)
        self._expectations.sent(item, version, self._clock.monotonic())
