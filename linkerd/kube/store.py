"""The last known state of one resource, and what changed in it.

A synchronous state machine under the reflector. Law: the events that it returned, replayed in
order onto an empty mapping, give the store; and nothing that is unchanged gives an event.

Of hundreds of thousands of objects a tuple each is felt, so names are filed by namespace.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from msgspec.structs import force_setattr

from linkerd.kube.decode import Identity
from linkerd.kube.events import Applied, Deleted, Event
from linkerd.kube.objects import Key, KubeObject

T = TypeVar("T", bound=KubeObject)


class Store(Mapping[Key, T], Generic[T]):
    """Objects by namespace and name."""

    __slots__ = ("_objects", "_size")

    def __init__(self) -> None:
        self._objects: dict[str, dict[str, T]] = {}
        self._size = 0

    def __getitem__(self, key: Key) -> T:
        return self._objects[key.namespace][key.name]

    def __iter__(self) -> Iterator[Key]:
        for namespace, named in self._objects.items():
            for name in named:
                yield Key(namespace, name)

    def __len__(self) -> int:
        return self._size

    def put(self, item: T) -> list[Event[T]]:
        """Takes a state. Nothing for a version that is known; a new uid under an old name is the
        old object's deletion, which nobody told us of, and the new one's creation."""
        meta = item.metadata
        named = self._objects.get(meta.namespace)
        if named is None:
            named = self._objects[meta.namespace] = {}
        known = named.get(meta.name)
        if known is None:
            named[meta.name] = item
            self._size += 1
            return [Applied(item)]
        if known.metadata.uid != meta.uid:
            named[meta.name] = item
            return [Deleted(known), Applied(item)]
        if known.metadata.resource_version == meta.resource_version:
            return []
        # Who files an object keeps the name that it had first: all states share that string.
        force_setattr(meta, "name", known.metadata.name)
        force_setattr(meta, "uid", known.metadata.uid)
        named[meta.name] = item
        return [Applied(item)]

    def is_at(self, version: Identity) -> bool:
        """Whether it has just this version."""
        known = self._objects.get(version.namespace, {}).get(version.name)
        return (
            known is not None
            and known.metadata.uid == version.uid
            and known.metadata.resource_version == version.resource_version
        )

    def remove(self, key: Key) -> list[Event[T]]:
        """Forgets an object; nothing if it was not known."""
        named = self._objects.get(key.namespace, {})
        known = named.pop(key.name, None)
        if known is None:
            return []
        self._size -= 1
        if not named:
            del self._objects[key.namespace]
        return [Deleted(known)]

    def besides(self, keys: "KeySet") -> Iterator[Key]:
        """What is known and not among these; it may be removed meanwhile."""
        for namespace in list(self._objects):
            for name in keys.lacks(namespace, self._objects[namespace]):
                yield Key(namespace, name)


class KeySet:
    """A set of keys."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}

    def add(self, namespace: str, name: str) -> None:
        """One more, or the same again."""
        names = self._names.get(namespace)
        if names is None:
            names = self._names[namespace] = set()
        names.add(name)

    def lacks(self, namespace: str, names: Iterable[str]) -> list[str]:
        """Those of the names that are not in it."""
        known = self._names.get(namespace, ())
        return [name for name in names if name not in known]

    def __contains__(self, key: Key) -> bool:
        return key.name in self._names.get(key.namespace, ())
