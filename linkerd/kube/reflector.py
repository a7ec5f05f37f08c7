"""Keeps a store in step with the API server, and tells a listener what changed.

List, then watch from the list's version; events and bookmarks move the version on, so that a watch
that ends, for whatever reason, resumes where it was. Only a version that the server cannot serve
(410, or one from before a restore, or one that it refuses again and again) makes it list again, and
then just the differences are told: what has another version is Applied, what has vanished is
Deleted. While the server is away the store stays as it is, for as long as it takes, and
`age_seconds` grows; when it comes back, all reflectors go on at once.

Who calls: a service starts `run` as a core task, waits for `wait_synced`, and reads `store`.
Its listener is called synchronously with all events of one read, or of each part of a large one,
never with none; `store` shows the state after all of them by then. It must not raise: that ends
`run`, and with it the process.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import islice
from random import Random
from typing import Final, Generic, NoReturn, TypeVar

import msgspec
import structlog
from prometheus_client import CollectorRegistry

from linkerd.kube.client import KubeClient
from linkerd.kube.decode import Page
from linkerd.kube.errors import Forbidden, Gone, KubeError, NotFound, Unreachable
from linkerd.kube.events import Event
from linkerd.kube.informer_metrics import InformerLags
from linkerd.kube.intake import Intake
from linkerd.kube.lists import Lister
from linkerd.kube.objects import Key, KubeObject
from linkerd.kube.quota import Quota
from linkerd.kube.recovery import Recovery
from linkerd.kube.reflector_metrics import LOCAL_CLUSTER, ReflectorMetrics
from linkerd.kube.resource import Resource
from linkerd.runtime.clock import Clock, SystemClock

T = TypeVar("T", bound=KubeObject)
Raw = TypeVar("Raw", bytes, msgspec.Raw)

_log = structlog.stdlib.get_logger(__name__)

# What is decoded and told about before other tasks get a turn: objects, and bytes of their JSON.
_PART: Final = 100
_PART_BYTES: Final = 256 * 1024
_WATCH_SECONDS: Final = (300, 600)  # how long we ask the server to keep a watch, spread
_HEALTHY: Final = 5.0  # seconds that a watch must live for earlier failures to be forgotten
# Seconds of silence after which a watch is taken for dead. The server sends a bookmark about once
# a minute; a dead TCP peer is noticed sooner by the kernel (see transport.py), so this is for
# proxies in between that keep a connection open to nobody.
_IDLE: Final = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectorOptions:
    """What the reflectors of one cluster have in common.

    `cluster` names it in metrics and logs. `quota` is what its server may take of us, in all
    reflectors together; beyond it `run` raises OverQuota. `lags`: whether, and where, it is
    observed how long updates take to reach us. `idle_timeout`: seconds.
    """

    cluster: str = LOCAL_CLUSTER
    clock: Clock = field(default_factory=SystemClock)
    metrics: ReflectorMetrics = field(default_factory=lambda: ReflectorMetrics(CollectorRegistry()))
    lags: InformerLags | None = None
    quota: Quota = field(default_factory=Quota)
    random: Random = field(default_factory=Random)  # spreads load, guards nothing
    idle_timeout: float = _IDLE


class Reflector(Generic[T]):
    """The last known state of one resource, kept up to date."""

    def __init__(
        self,
        client: KubeClient,
        resource: Resource[T],
        listener: Callable[[Sequence[Event[T]]], None],
        options: ReflectorOptions | None = None,
    ) -> None:
        options = options or ReflectorOptions()
        self._client = client
        self._options = options
        self._quota = options.quota
        self._resource = resource
        self._listener = listener
        self._lister = Lister(client, resource, quota=options.quota)
        self._versions = deque(resource.versions)  # the first is asked for at present
        self._missing: set[str] = set()  # those of them that the server lacked, one after another
        self._clock = options.clock
        self._random = options.random
        self._recovery = Recovery(client.presence, self._clock, self._random)
        self._heard_at = self._clock.monotonic()
        self._trouble: str | None = None
        self._synced = asyncio.Event()
        self._meter = options.metrics.of(resource.label, resource.namespace, options.cluster)
        self._intake = Intake(
            resource,
            self._meter,
            options.lags.of(resource, self._clock) if options.lags is not None else None,
            quota=self._quota,
            objects=client.limits.objects,
        )
        self._log = _log.bind(resource=resource.label, namespace=resource.namespace)
        if options.cluster != LOCAL_CLUSTER:
            self._log = self._log.bind(cluster=options.cluster)

    @property
    def store(self) -> Mapping[Key, T]:
        """A live, read-only view of what is known, by namespace and name."""
        return self._intake.objects

    @property
    def synced(self) -> bool:
        """Whether a full list has been taken in since the start; it stays true ever after."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Returns when `synced` is true."""
        await self._synced.wait()

    @property
    def age_seconds(self) -> float:
        """Seconds since the server was last heard of: how old the store may be. With a healthy
        watch below about 70."""
        return self._clock.monotonic() - self._heard_at

    async def run(self) -> NoReturn:
        """Lists and watches until it is cancelled. KubeErrors never end it."""
        detach = self._meter.attach(lambda: self.age_seconds, lambda: len(self.store))
        try:
            while True:
                await self._keep_in_step()
        finally:
            detach()

    async def _keep_in_step(self) -> None:
        try:
            if self._intake.version is None:
                await self._list()
            await self._watch(self._intake.version or "")
        except KubeError as error:
            error.__traceback__ = None  # its frames hold what was being read
            await self._recover(error)

    async def _list(self) -> None:
        self._meter.lists.inc()
        self._intake.begin_list()
        version = ""
        async with aclosing(self._lister.pages(self._versions[0])) as pages:
            async for page in pages:
                self._heard()
                await self._take_page(page)
                version = page.metadata.resource_version
        await self._take_unlisted()
        self._intake.end_list(version)
        self._synced.set()
        self._log.debug("listed", count=len(self.store), resource_version=self._intake.version)

    async def _take_page(self, page: Page) -> None:
        for part in parts(page.items or ()):
            async with self._quota.turn():
                self._tell(self._intake.take_items(part))

    async def _take_unlisted(self) -> None:
        gone, ended = self._intake.unlisted(), False
        while not ended:
            async with self._quota.turn():
                part = list(islice(gone, _PART))
                self._tell(self._intake.take_gone(part))
                ended = len(part) < _PART

    async def _watch(self, version: str) -> None:
        resource = self._resource
        query = {
            **resource.selectors,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(self._random.randint(*_WATCH_SECONDS)),
        }
        async with self._client.stream(
            resource.path(resource.namespace, version=self._versions[0]),
            query=query,
            accept=resource.accept_object,
            idle_timeout=self._options.idle_timeout,
        ) as batches:
            self._meter.watches.inc()
            opened = self._clock.monotonic()
            try:
                self._heard()
                async for lines in batches:
                    self._heard()
                    for part in parts(lines):
                        async with self._quota.turn():
                            self._take_lines(part)
            finally:
                lived = self._clock.monotonic() - opened
                if lived >= _HEALTHY:
                    self._recovery.reset()
        if lived < _HEALTHY:
            raise Unreachable(f"the watch was ended by the server after {lived:.1f} s")

    def _take_lines(self, lines: Sequence[bytes]) -> None:
        events: list[Event[T]] = []
        try:
            for line in lines:
                events += self._intake.take_line(line)
        finally:  # an ERROR line does not undo what came before it
            self._tell(events)

    def _tell(self, events: Sequence[Event[T]]) -> None:
        if events:
            self._listener(events)

    def _heard(self) -> None:
        if self._trouble is not None:
            self._log.info("the API server is back", age_seconds=round(self.age_seconds, 1))
            self._trouble = None
        self._heard_at = self._clock.monotonic()

    async def _recover(self, error: KubeError) -> None:
        """Decides where to go on and waits a while."""
        self._meter.failed(error)
        if isinstance(error, NotFound) and self._turn_to_another_version():
            return
        version = self._intake.version
        if version is not None and self._recovery.needs_list(error, version):
            self._intake.expire()
        delay = self._recovery.delay(error)
        self._note(error, delay)
        await self._recovery.pause(error, delay)

    def _turn_to_another_version(self) -> bool:
        """The resource is not there under this version; the next one is asked for from now on.
        False when that makes every version once."""
        self._missing.add(self._versions[0])
        if len(self._versions) > 1:
            self._versions.rotate(-1)
            self._intake.expire()
        if len(self._missing) < len(self._versions):
            return True
        self._missing.clear()
        return False

    def _note(self, error: KubeError, delay: float) -> None:
        """Logs a trouble when it begins or changes, not each time that it persists. A server that
        does not show what may be missing is no trouble."""
        if self._is_dispensable(error) and not self.store:
            self._heard()
            if not self.synced:
                self._log.info("the cluster does not show this resource; taken as empty")
                self._synced.set()
            return
        known = self._trouble == error.label
        self._trouble = error.label
        log = self._log.debug if known else self._log.warning
        if isinstance(error, Gone):
            log = self._log.info
        log(
            "out of touch with the API server; the last known state stays in use",
            error=str(error),
            delay_seconds=round(delay, 2),
            age_seconds=round(self.age_seconds, 1),
        )

    def _is_dispensable(self, error: KubeError) -> bool:
        resource = self._resource
        return (resource.may_be_missing and isinstance(error, NotFound)) or (
            resource.may_be_forbidden and isinstance(error, Forbidden)
        )


def parts(items: Sequence[Raw]) -> Iterator[Sequence[Raw]]:
    """The items in pieces that hold up nobody for long; a large one is alone."""
    start = size = 0
    for end, item in enumerate(items):
        size += len(item)
        if end > start and (end - start == _PART or size > _PART_BYTES):
            yield items[start:end]
            start, size = end, len(item)
    if start < len(items):
        yield items[start:]
