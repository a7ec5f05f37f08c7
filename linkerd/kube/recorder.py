"""Kubernetes Events about objects, sent in the background.

`EventRecorder.record` never waits and never raises: it goes through limits like those of client-go
and into a bounded queue, which one task, `run`, empties. Being told of something is worth little
when it is told a thousand times, so

- the same event again raises the count of the Event that is there (PATCH);
- more than `SIMILAR` different messages of one reason about one object within ten minutes become
  one Event, "(combined from similar events)", whose count grows;
- an object gets `BURST` writes at once and one every five minutes after that;
- all objects together get `rate` writes a second, and a queue that is full drops.

Whatever is left out is counted. Bookkeeping is bounded by `TRACKED` objects; those go
first that were not heard of for longest.
"""

import asyncio
import secrets
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from cachetools import LRUCache
from prometheus_client import CollectorRegistry

from linkerd.kube.client import MERGE_PATCH, KubeClient
from linkerd.kube.controller.rate import TokenBucket
from linkerd.kube.errors import KubeError, NotFound
from linkerd.runtime.clock import Clock
from linkerd.runtime.logs import get_logger
from linkerd.runtime.metrics import PlainCounter

SIMILAR: Final = 10
WINDOW: Final = 600.0  # seconds after which similar events are counted anew
BURST: Final = 25
REFILL: Final = 1 / 300  # writes a second about one object, after the burst
TRACKED: Final = 4096
QUEUE: Final = 1000
RATE: Final = 10.0  # writes a second about all objects
_ALL_BURST: Final = 100
_TIMEOUT: Final = 10.0  # seconds for one write
_MAX_MESSAGE: Final = 1024  # what the API server takes
_COMBINED: Final = "(combined from similar events): "

EventType = Literal["Normal", "Warning"]

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """What an Event is about. Its namespace is where the Event goes."""

    api_version: str
    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class _Said:
    """An event as it was recorded, after combining."""

    about: ObjectRef
    type: EventType
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class _Write:
    """A request to make: a new Event, or the new count of one."""

    said: _Said
    identity: _Said
    """What says that two writes are about the same Event: `said`, or its combined form."""
    moment: datetime


@dataclass(slots=True)
class _Sent:
    """An Event that is there."""

    name: str
    count: int


@dataclass(slots=True)
class _Similar:
    """What was said about one object for one reason."""

    last: float
    messages: set[int] = field(default_factory=set)
    """Their hashes."""


class EventRecorder:
    """Records Events of one component. Start `run` as a task; `instance` is the pod's name."""

    def __init__(
        self,
        client: KubeClient,
        *,
        component: str,
        clock: Clock,
        registry: CollectorRegistry,
        instance: str,
        rate: float = RATE,
    ) -> None:
        self._client = client
        self._component = component
        self._instance = instance
        self._clock = clock
        self._queue: deque[_Write] = deque()
        self._filled = asyncio.Event()
        self._similar: LRUCache[_Said, _Similar] = LRUCache(TRACKED)
        self._buckets: LRUCache[ObjectRef, TokenBucket] = LRUCache(TRACKED)
        self._sent: LRUCache[_Said, _Sent] = LRUCache(TRACKED)
        self._all = TokenBucket(rate, _ALL_BURST, clock.monotonic())
        self.outcomes = PlainCounter(
            "kube_events_total",
            "Kubernetes Events by what became of them: sent, dropped (limits), failed.",
            ["outcome"],
            registry,
        )

    def record(self, about: ObjectRef, type_: EventType, reason: str, message: str) -> None:
        """Says that something happened to an object. Returns at once."""
        now = self._clock.monotonic()
        bucket = self._buckets.setdefault(about, TokenBucket(REFILL, BURST, now))
        if len(self._queue) >= QUEUE or not bucket.take(now):
            self.outcomes.labels("dropped").inc()
            return
        said, identity = self._combine(_Said(about, type_, reason, message[:_MAX_MESSAGE]), now)
        self._queue.append(_Write(said, identity, self._clock.now()))
        self._filled.set()

    async def run(self) -> None:
        """Sends what was recorded, for as long as the process lives."""
        while True:
            await self._filled.wait()
            while self._queue:
                await self._clock.sleep(self._all.reserve(self._clock.monotonic()))
                await self._send(self._queue.popleft())
            self._filled.clear()

    def _combine(self, said: _Said, now: float) -> tuple[_Said, _Said]:
        """The event, and what it is the same Event as."""
        key = replace(said, message="")
        similar = self._similar.setdefault(key, _Similar(now))
        if now - similar.last > WINDOW:
            similar.messages.clear()
        similar.last = now
        digest = hash(said.message)
        if digest in similar.messages:
            return said, said
        if len(similar.messages) >= SIMILAR:
            combined = f"{_COMBINED}{said.message}"[:_MAX_MESSAGE]
            return replace(said, message=combined), key
        similar.messages.add(digest)
        return said, said

    async def _send(self, write: _Write) -> None:
        try:
            await self._write(write)
        except KubeError as error:
            self.outcomes.labels("failed").inc()
            _log.debug("an Event could not be sent", kind=write.said.reason, error=str(error))
        else:
            self.outcomes.labels("sent").inc()

    async def _write(self, write: _Write) -> None:
        sent = self._sent.get(write.identity)
        if sent is None or not await self._count_up(sent, write):
            await self._create(write)

    async def _create(self, write: _Write) -> None:
        sent = _Sent(f"{write.said.about.name[:200]}.{secrets.token_hex(8)}", 1)
        await self._client.request(
            "POST",
            _events(write.said.about),
            body=msgspec.json.encode(self._document(sent.name, write)),
            timeout=_TIMEOUT,
        )
        self._sent[write.identity] = sent

    async def _count_up(self, sent: _Sent, write: _Write) -> bool:
        """False when the Event is gone: the API server keeps them for an hour."""
        patch = {
            "count": sent.count + 1,
            "lastTimestamp": _stamp(write.moment),
            "message": write.said.message,
        }
        try:
            await self._client.request(
                "PATCH",
                f"{_events(write.said.about)}/{sent.name}",
                body=msgspec.json.encode(patch),
                content_type=MERGE_PATCH,
                timeout=_TIMEOUT,
            )
        except NotFound:
            self._sent.pop(write.identity, None)
            return False
        sent.count += 1
        return True

    def _document(self, name: str, write: _Write) -> dict[str, Any]:
        about, moment = write.said.about, _stamp(write.moment)
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": about.namespace},
            "involvedObject": {
                "apiVersion": about.api_version,
                "kind": about.kind,
                "namespace": about.namespace,
                "name": about.name,
            },
            "type": write.said.type,
            "reason": write.said.reason,
            "message": write.said.message,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "count": 1,
        }


def _events(about: ObjectRef) -> str:
    return f"/api/v1/namespaces/{about.namespace}/events"


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
