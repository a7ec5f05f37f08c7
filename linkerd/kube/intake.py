"""What lists and watches brought, turned into a store and its events; no I/O.

Takes bytes in the order in which the server said them. An object that cannot be decoded is
reported once for each of its versions and otherwise left as it was last understood: it counts as
present in a list, and its deletion is a deletion.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Generic, TypeVar

import msgspec
import structlog

from linkerd.kube.decode import (
    Malformed,
    ObjectDecoder,
    decode_identity,
    decode_line,
    decode_version,
    identify,
)
from linkerd.kube.errors import ApiError, TooLarge
from linkerd.kube.events import Applied, Event
from linkerd.kube.lag import UpdateLag
from linkerd.kube.limits import AT_HOME
from linkerd.kube.objects import Key, KubeObject
from linkerd.kube.quota import Quota
from linkerd.kube.reflector_metrics import Meter
from linkerd.kube.resource import Resource
from linkerd.kube.store import KeySet, Store
from linkerd.kube.weight import weigh

T = TypeVar("T", bound=KubeObject)

_log = structlog.stdlib.get_logger(__name__)

_NAMELESS: Final = Key("", "")
_PLACE: Final = 1024  # bytes that an object takes beside its own: its key, places in dictionaries
_ODDITY: Final = 512  # bytes that the name of a malformed object takes
_REMEMBERED: Final = 10_000  # malformed objects that were reported
_REPORTS: Final = 100  # of a resource of a server that is not ours
_LAST: Final = "no more malformed objects of this kind are reported"


class Intake(Generic[T]):
    """The synchronous half of a reflector.

    `version` is where a watch has to go on: None until a list is complete, and again after
    `expire`.
    """

    def __init__(
        self,
        resource: Resource[T],
        meter: Meter,
        lag: UpdateLag | None = None,
        *,
        quota: Quota | None = None,
        objects: int = AT_HOME.objects,
    ) -> None:
        """`objects`: how many a list may have. `quota`: what counts the memory of all that is
        kept, and makes methods raise OverQuota."""
        self._resource = resource
        self._decoder = ObjectDecoder(resource.struct)
        self._store: Store[T] = Store()
        self._meter = meter
        self._lag = lag
        self._quota = quota or Quota()
        self._most = objects
        self._weights: dict[Key, int] = {}
        self._oddities = 0  # bytes that are counted for malformed objects of a list
        self._seen = KeySet()
        self._listed = 0
        self._is_listed_again = False
        self._reported: dict[Key, str] = {}
        self._reports = 0
        self.objects: Mapping[Key, T] = self._store
        self.version: str | None = None

    def expire(self) -> None:
        """The version is of no use any more: the next thing has to be a list."""
        self.version = None

    def begin_list(self) -> None:
        """A list begins, or begins again."""
        self._end_seeing()
        self._is_listed_again = bool(self._store)

    def _end_seeing(self) -> None:
        self._seen = KeySet()
        self._listed = 0
        self._quota.take(-self._oddities)
        self._oddities = 0

    def take_items(self, items: Sequence[bytes | msgspec.Raw]) -> list[Event[T]]:
        """Some objects of the list. Raises TooLarge when there are more than it may have."""
        self._listed += len(items)
        if self._listed > self._most:
            raise TooLarge(f"a list of more than {self._most} objects")
        return self._counted([event for raw in items for event in self._take_item(raw)])

    def unlisted(self) -> Iterator[Key]:
        """What is known and was not in the list, which is complete: it is gone, and to be taken so
        while this is iterated."""
        return self._store.besides(self._seen)

    def take_gone(self, keys: Iterable[Key]) -> list[Event[T]]:
        """Some of what is gone."""
        events = []
        for key in keys:
            self._forget(key)
            events += self._store.remove(key)
        return self._counted(events)

    def end_list(self, version: str) -> None:
        """The list has been taken in, and so has all that is gone: the state is that at
        `version`."""
        self._reported = {key: at for key, at in self._reported.items() if key in self._seen}
        self._end_seeing()
        self.version = version

    def _take_item(self, raw: bytes | msgspec.Raw) -> list[Event[T]]:
        if self._is_listed_again and self._is_known(raw):
            return []
        item = self._decoder.decode(raw)
        if isinstance(item, Malformed):
            self._see_oddity(item.key or _NAMELESS)
            return self._spoiled(item)
        self._seen.add(item.metadata.namespace, item.metadata.name)
        return self._put(item)

    def _is_known(self, raw: bytes | msgspec.Raw) -> bool:
        """Whether it is what we have, as most objects are that are listed again: those need not be
        decoded any further."""
        version = decode_identity(raw)
        if version is None or not self._store.is_at(version):
            return False
        self._seen.add(version.namespace, version.name)
        self._mended(version.namespace, version.name)
        return True

    def _see_oddity(self, key: Key) -> None:
        if key not in self._seen:
            self._seen.add(key.namespace, key.name)
            self._oddities += _ODDITY
            self._quota.take(_ODDITY)

    def _counted(self, events: list[Event[T]]) -> list[Event[T]]:
        """The events; what they make of our memory is in the quota."""
        if self._quota.counts:
            for event in events:
                key = event.object.metadata.key
                before = self._weights.pop(key, 0)
                if isinstance(event, Applied):
                    self._weights[key] = _PLACE + weigh(event.object)
                self._quota.take(self._weights.get(key, 0) - before)
        return events

    def take_line(self, line: bytes) -> list[Event[T]]:
        """One line of a watch. Raises ApiError for what an ERROR event says, and ProtocolError
        for a line that is no event; the watch is over then."""
        return self._counted(self._take_line(line))

    def _take_line(self, line: bytes) -> list[Event[T]]:
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
        return []  # of a kind that we do not know

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
        self._mended(item.metadata.namespace, item.metadata.name)
        return self._store.put(item)

    def _mended(self, namespace: str, name: str) -> None:
        if self._reported:
            self._reported.pop(Key(namespace, name), None)

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
        if len(self._reported) >= _REMEMBERED:
            self._reported.clear()
        self._reported[key] = item.version
        self._meter.malformed.inc()
        self._reports += 1
        most = _REPORTS if self._quota.counts else None
        if most is not None and self._reports > most:
            return
        known = key in self.objects
        _log.warning(
            "a malformed object: its last good state stays in use"
            if known
            else "a malformed object is left out until it is mended",
            resource=self._resource.label,
            namespace=key.namespace,
            name=key.name,
            resource_version=item.version,
            error=f"{item.problem}; {_LAST}" if self._reports == most else item.problem,
        )
