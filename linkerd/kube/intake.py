"""What lists and watches brought, turned into a store and its events; no I/O.

Takes bytes in the order in which the server said them. An object that cannot be decoded is
reported once for each of its versions and otherwise left as it was last understood: it counts as
present in a list, and its deletion is a deletion.
"""

from collections.abc import Iterable
from typing import Final, Generic, TypeVar

import msgspec
import structlog

from linkerd.kube.decode import (
    Malformed,
    ObjectDecoder,
    decode_line,
    decode_version,
    identify,
)
from linkerd.kube.errors import ApiError
from linkerd.kube.events import Event
from linkerd.kube.lag import UpdateLag
from linkerd.kube.objects import Key, KubeObject
from linkerd.kube.reflector_metrics import Meter
from linkerd.kube.resource import Resource
from linkerd.kube.store import Store

T = TypeVar("T", bound=KubeObject)

_log = structlog.stdlib.get_logger(__name__)

_NAMELESS: Final = Key("", "")


class Intake(Generic[T]):
    """The synchronous half of a reflector.

    `version` is where a watch has to go on: None until a list is complete, and again after
    `expire`.
    """

    def __init__(self, resource: Resource[T], meter: Meter, lag: UpdateLag | None = None) -> None:
        self._resource = resource
        self._decoder = ObjectDecoder(resource.type)
        self._store: Store[T] = Store()
        self._meter = meter
        self._lag = lag
        self._seen: set[Key] = set()
        self._reported: dict[Key, str] = {}
        self.objects = self._store.objects
        self.version: str | None = None

    def expire(self) -> None:
        """The version is of no use any more: the next thing has to be a list."""
        self.version = None

    def begin_list(self) -> None:
        """A list begins, or begins again."""
        self._seen = set()

    def take_items(self, items: Iterable[bytes | msgspec.Raw]) -> list[Event[T]]:
        """Some objects of the list."""
        return [event for raw in items for event in self._take_item(raw)]

    def end_list(self, version: str) -> list[Event[T]]:
        """The list, now complete, is the state at `version`: what it did not hold is gone."""
        events = self._store.retain(self._seen)
        for event in events:
            self._forget(event.object.metadata.key)
        self._reported = {key: at for key, at in self._reported.items() if key in self._seen}
        self._seen = set()
        self.version = version
        return events

    def _take_item(self, raw: bytes | msgspec.Raw) -> list[Event[T]]:
        item = self._decoder.decode(raw)
        if isinstance(item, Malformed):
            self._seen.add(item.key or _NAMELESS)
            return self._spoiled(item)
        self._seen.add(item.metadata.key)
        return self._put(item)

    def take_line(self, line: bytes) -> list[Event[T]]:
        """One line of a watch. Raises ApiError for what an ERROR event says, and ProtocolError
        for a line that is no event; the watch is over then."""
        said = decode_line(line)
        self._meter.saw(said.type)
        match said.type:
            case "ADDED" | "MODIFIED":
                return self._changed(said.object)
            case "DELETED":
                return self._deleted(said.object)
            case "BOOKMARK":
                self._advance(decode_version(said.object))
                return []
            case "ERROR":
                raise ApiError.parse(500, bytes(said.object))
        _log.debug("a watch event of a kind that we do not know", kind=said.type)
        return []

    def _changed(self, raw: msgspec.Raw) -> list[Event[T]]:
        item = self._decoder.decode(raw)
        if isinstance(item, Malformed):
            self._advance(item.version)
            return self._spoiled(item)
        self._advance(item.metadata.resource_version)
        events = self._put(item)
        if events and self._lag is not None:
            self._lag.saw(item.metadata.key, raw)
        return events

    def _deleted(self, raw: msgspec.Raw) -> list[Event[T]]:
        whose = identify(bytes(raw), "")
        self._advance(whose.version)
        if whose.key is None:
            return []
        self._reported.pop(whose.key, None)
        self._forget(whose.key)
        return self._store.remove(whose.key)

    def _forget(self, key: Key) -> None:
        if self._lag is not None:
            self._lag.forget(key)

    def _put(self, item: T) -> list[Event[T]]:
        if self._reported:
            self._reported.pop(item.metadata.key, None)
        return self._store.put(item)

    def _advance(self, version: str) -> None:
        if version:
            self.version = version

    def _spoiled(self, item: Malformed) -> list[Event[T]]:
        """Its last good state stays, unless that was of another object under the same name."""
        key = item.key or _NAMELESS
        known = self.objects.get(key)
        events = self._store.remove(key) if known and known.metadata.uid != item.uid else []
        self._report(key, item)
        return events

    def _report(self, key: Key, item: Malformed) -> None:
        if self._reported.get(key) == item.version:
            return
        self._reported[key] = item.version
        self._meter.malformed.inc()
        known = key in self.objects
        _log.warning(
            "a malformed object: its last good state stays in use"
            if known
            else "a malformed object is left out until it is mended",
            resource=self._resource.plural,
            namespace=key.namespace,
            name=key.name,
            resource_version=item.version,
            error=item.problem,
        )
