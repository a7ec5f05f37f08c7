"""Keeps the slices of services that choose ExternalWorkloads as they should be, while it leads.

Events put services into a queue; one worker plans each and writes what differs. What fails is tried
again, up to 15 times in a row, and then left until its next event: one service never holds up the
others.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn, TypeVar

from prometheus_client import CollectorRegistry

from linkerd.kube.client import KubeClient
from linkerd.kube.controller.queue import WorkQueue
from linkerd.kube.controller.queue_metrics import QueueMetrics
from linkerd.kube.errors import Conflict, KubeError
from linkerd.kube.events import Event
from linkerd.kube.objects import EndpointSlice, Key, Service
from linkerd.runtime.clock import Clock
from linkerd.runtime.logs import get_logger
from linkerd.runtime.metrics import PlainCounter
from services.destination.workloads.cluster import Cluster
from services.destination.workloads.complaints import Complaints
from services.destination.workloads.names import QUEUE
from services.destination.workloads.plan import Plan, plan
from services.destination.workloads.tracker import Tracker
from services.destination.workloads.writes import NamespaceEndingError, SliceWriter

T = TypeVar("T")

MOST_RETRIES: Final = 15
_log: Final = get_logger(__name__)


class StaleError(Exception):
    """The cache does not show our own last write yet."""


class Controller:
    """`take_*` are for reflectors and never raise; `lead` runs while we hold the Lease."""

    def __init__(
        self,
        client: KubeClient,
        clock: Clock,
        registry: CollectorRegistry,
        *,
        queue_metrics: CollectorRegistry,
    ) -> None:
        """`queue_metrics` is where those of the queue go."""
        self._clock = clock
        self._writer = SliceWriter(client)
        self._tracker = Tracker()
        self._cluster = Cluster(self._tracker)
        self._metrics = QueueMetrics(QUEUE, clock, queue_metrics)
        self._queue = WorkQueue(clock, self._metrics)
        self._leading = False
        self._writes = PlainCounter(
            "workload_slices_writes_total", "Slices written.", ["operation"], registry
        )
        self._failures = PlainCounter(
            "workload_slices_failures_total", "Services that could not be dealt with.", [], registry
        )
        odd = PlainCounter(
            "workload_slices_complaints_total", "Odd workloads that were logged.", [], registry
        )
        self._complaints = Complaints(odd.labels())

    def take_services(self, events: Sequence[Event[Service]]) -> None:
        """A reflector's batch."""
        self._take(events, self._cluster.take_service)

    def take_workloads(self, events: Sequence[Event[Any]]) -> None:
        """A reflector's batch."""
        self._take(events, self._cluster.take_workload)

    def take_slices(self, events: Sequence[Event[EndpointSlice]]) -> None:
        """A reflector's batch."""
        self._take(events, self._cluster.take_slice)

    def _take(self, events: Sequence[Event[T]], take: Callable[[Event[T]], set[Key]]) -> None:
        for event in events:
            try:
                concerned = take(event)
            except Exception:  # noqa: BLE001  # anything that a strange object may provoke
                self._failures.inc()
                _log.exception("an event could not be taken in; the next one may be")
                continue
            if self._leading:
                for key in concerned:
                    self._queue.add(key)

    async def lead(self) -> NoReturn:
        """Works until it is cancelled. Begins with every service, and without memory of an earlier
        time: others may have written since."""
        self._tracker.clear()
        self._queue.clear()
        self._leading = True
        for key in sorted(self._cluster.all_concerned()):
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

    async def _work(self, key: Key) -> None:
        try:
            await self._sync(key)
        except NamespaceEndingError:
            self._queue.forget(key)
        except (StaleError, KubeError) as error:
            self._fail(key, error)
        except Exception as error:  # noqa: BLE001  # a mistake of ours concerns this service alone
            _log.exception("slices failed", namespace=key.namespace, name=key.name)
            self._fail(key, error)
        else:
            self._queue.forget(key)

    def _fail(self, key: Key, error: Exception) -> None:
        """Tries again later, or gives up. A race with the cache or another writer is no failure."""
        race = isinstance(error, (StaleError, Conflict))
        self._failures.inc(0 if race else 1)
        log = _log.bind(namespace=key.namespace, name=key.name, error=str(error))
        if self._queue.failures(key) >= MOST_RETRIES:
            self._queue.forget(key)
            self._metrics.dropped()
            log.error("slices of the service given up until its next event")
            return
        if self._queue.failures(key) == 0 and not race:
            log.warning("slices of the service could not be written; trying again")
        self._queue.retry(key)

    async def _sync(self, key: Key) -> None:
        service = self._cluster.service(key)
        if service is None:
            self._tracker.forget(key)
            return
        if self._tracker.is_stale(key, self._clock.monotonic()):
            raise StaleError("our last write is not seen yet")
        workloads = self._cluster.workloads.of(key.namespace)
        slices = self._cluster.slices.of(key)
        await self._carry_out(key, plan(service, workloads, slices, self._complaints.about))

    async def _carry_out(self, key: Key, todo: Plan) -> None:
        for new in todo.create:
            made = await self._writer.create(new)
            self._wrote("create", key, made, None)
        for update in todo.update:
            made = await self._writer.update(update)
            self._wrote("update", key, made, update.before)
        for old in todo.delete:
            await self._writer.delete(old)
            self._wrote("delete", key, None, old)

    def _wrote(
        self, operation: str, key: Key, made: EndpointSlice | None, before: EndpointSlice | None
    ) -> None:
        self._writes.labels(operation).inc()
        now = made or before
        if now is None:
            return
        name = now.metadata.name
        version = made.metadata.resource_version if made is not None else None
        cached = self._cluster.slices.get(key, name)
        self._tracker.wrote(key, name, version, before, cached, self._clock.monotonic())
