"""The last known state of one resource, and what changed in it.

A synchronous state machine under the reflector. Law: the events that it returned, replayed in
order onto an empty mapping, give `objects`; and nothing that is unchanged gives an event.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

from linkerd.kube.events import Applied, Deleted, Event
from linkerd.kube.objects import Key, KubeObject

T = TypeVar("T", bound=KubeObject)


class Store(Generic[T]):
    """Objects by namespace and name."""

    __slots__ = ("_objects", "objects")

    def __init__(self) -> None:
        self._objects: dict[Key, T] = {}
        self.objects: Mapping[Key, T] = MappingProxyType(self._objects)

    def put(self, item: T) -> list[Event[T]]:
        """Takes a state. Nothing for a version that is known; a new uid under an old name is the
        old object's deletion, which nobody told us of, and the new one's creation."""
        meta = item.metadata
        key = meta.key
        known = self._objects.get(key)
        self._objects[key] = item
        if known is None:
            return [Applied(item)]
        if known.metadata.uid != meta.uid:
            return [Deleted(known), Applied(item)]
        if known.metadata.resource_version == meta.resource_version:
            self._objects[key] = known
            return []
        return [Applied(item)]

    def remove(self, key: Key) -> list[Event[T]]:
        """Forgets an object; nothing if it was not known."""
        known = self._objects.pop(key, None)
        return [] if known is None else [Deleted(known)]

    def retain(self, keys: Collection[Key]) -> list[Event[T]]:
        """Forgets all objects but these, as after a full list."""
        gone = [key for key in self._objects if key not in keys]
        return [event for key in gone for event in self.remove(key)]
