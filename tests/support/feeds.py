"""An API server's objects and what reflectors make of them, without either: bytes as a server says
them go through the reflector's real intake. Watches lag, repeat themselves and expire; lists are
cut off and begun again."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

import msgspec
from prometheus_client import CollectorRegistry

from linkerd.kube.errors import ApiError
from linkerd.kube.events import Event
from linkerd.kube.intake import Intake
from linkerd.kube.objects import Key, KubeObject
from linkerd.kube.reflector_metrics import Meter, ReflectorMetrics
from linkerd.kube.resource import Resource

Listener = Callable[[Sequence[Event[Any]]], None]

METER: Final[Meter] = ReflectorMetrics(CollectorRegistry()).of("any", "")
GONE: Final = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}'

_encode: Final = msgspec.json.Encoder().encode


def watch_line(kind: str, raw: bytes) -> bytes:
    """A line of a watch; `kind` such as ADDED, `raw` the object."""
    return b'{"type":"%s","object":%s}' % (kind.encode(), raw)


class Stored:
    """What a server has of one resource, by namespace and name, and who watches it."""

    def __init__(self) -> None:
        self.objects: dict[Key, KubeObject] = {}
        self.feeds: list[Feed] = []

    def put(self, item: KubeObject) -> None:
        """An object is created or changed; one with another uid takes the place of the old one,
        which is deleted first."""
        known = self.objects.get(item.metadata.key)
        if known is not None and known.metadata.uid != item.metadata.uid:
            self.remove(item.metadata.key)
        self.objects[item.metadata.key] = item
        self._say("ADDED" if known is None else "MODIFIED", item)

    def remove(self, key: Key) -> None:
        """An object is deleted."""
        if (known := self.objects.pop(key, None)) is not None:
            self._say("DELETED", known)

    def _say(self, kind: str, item: KubeObject) -> None:
        line = watch_line(kind, _encode(item))
        for feed in self.feeds:
            feed.coming.append(line)


class Feed:
    """A list and watch of one resource. `coming` are lines that the server has said and the reader
    has not read."""

    def __init__(
        self, resource: Resource[Any], stored: Stored, listener: Listener, random: Random
    ) -> None:
        self.coming: list[bytes] = []
        self._stored = stored
        self._intake: Intake[Any] = Intake(resource, METER)
        self._listener = listener
        self._random = random
        stored.feeds.append(self)

    def close(self) -> None:
        """It reads no more."""
        self._stored.feeds.remove(self)

    def read(self, most: int | None = None) -> None:
        """Reads lines, at most `most`, in one batch; one or another comes twice."""
        lines, self.coming = self.coming[:most], self.coming[most:] if most is not None else []
        events: list[Event[Any]] = []
        for line in lines:
            for _ in range(2 if self._random.random() < 0.1 else 1):
                events += self._intake.take_line(line)
        self._tell(events)

    def expire(self) -> None:
        """The watch ends with a 410; what it would have brought, a list brings."""
        try:
            self._intake.take_line(GONE)
        except ApiError:
            self._intake.expire()
        self.list()

    def list(self) -> None:
        """Lists everything, in any order, in pages; now and then it has to begin again."""
        random = self._random
        raws = [_encode(item) for item in self._stored.objects.values()]
        self.coming.clear()
        if random.random() < 0.2:
            self._intake.begin_list()
            self._tell(self._intake.take_items(random.sample(raws, len(raws) // 2)))
        random.shuffle(raws)
        size = random.randint(1, len(raws) or 1)
        self._intake.begin_list()
        for start in range(0, len(raws), size):
            self._tell(self._intake.take_items(raws[start : start + size]))
        for key in self._intake.unlisted():  # in as many turns
            self._tell(self._intake.take_gone([key]))
        self._intake.end_list("1")

    def _tell(self, events: Sequence[Event[Any]]) -> None:
        if events:
            self._listener(events)
