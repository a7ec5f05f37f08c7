"""The objects that matter to slices of workloads, and which services an event of them concerns.

Fed at all times, so that a replica knows the cluster when it begins to lead. Objects are shared
with the reflectors.
"""

from collections.abc import Collection, Iterator
from typing import Final, Generic, TypeVar

from linkerd.kube.events import Applied, Event
from linkerd.kube.objects import EndpointSlice, ExternalWorkload, Key, KubeObject, Service
from linkerd.mesh.labels import SERVICE_NAME
from services.destination.workloads.changes import concerned
from services.destination.workloads.names import is_ours

T = TypeVar("T", bound=KubeObject)
G = TypeVar("G")

_UNTOUCHED: Final = "kube-system"
"""A namespace whose Services' events are passed over."""


class _Grouped(Generic[G, T]):
    """Objects by a group, and in it by name."""

    def __init__(self) -> None:
        self._groups: dict[G, dict[str, T]] = {}

    def of(self, group: G) -> Collection[T]:
        """The members of a group."""
        return self._groups.get(group, {}).values()

    def get(self, group: G, name: str) -> T | None:
        """A member, if it is there."""
        return self._groups.get(group, {}).get(name)

    def put(self, group: G, name: str, item: T) -> T | None:
        """Sets a member; the one that was there."""
        members = self._groups.setdefault(group, {})
        before = members.get(name)
        members[name] = item
        return before

    def pop(self, group: G, name: str) -> T | None:
        """Takes a member away, if it is there."""
        members = self._groups.get(group, {})
        before = members.pop(name, None)
        if not members:
            self._groups.pop(group, None)
        return before

    def __iter__(self) -> Iterator[T]:
        return (item for members in self._groups.values() for item in members.values())


class Objects:
    """Services and workloads by namespace, our slices by service. Methods that take an event
    return the keys of the services that it concerns."""

    def __init__(self) -> None:
        self.services: _Grouped[str, Service] = _Grouped()
        self.workloads: _Grouped[str, ExternalWorkload] = _Grouped()
        self.slices: _Grouped[Key, EndpointSlice] = _Grouped()
        self._service_of: dict[Key, Key] = {}  # of our slices

    def service(self, key: Key) -> Service | None:
        """The service of that key."""
        return self.services.get(*key)

    def take_service(self, event: Event[Service]) -> set[Key]:
        """It came, changed or went."""
        key = event.object.metadata.key
        if isinstance(event, Applied):
            self.services.put(*key, event.object)
        else:
            self.services.pop(*key)
        return set() if key.namespace == _UNTOUCHED else {key}

    def take_workload(self, event: Event[ExternalWorkload]) -> set[Key]:
        """It came, changed or went."""
        key = event.object.metadata.key
        if isinstance(event, Applied):
            new: ExternalWorkload | None = event.object
            old = self.workloads.put(*key, event.object)
        else:
            new, old = None, self.workloads.pop(*key)
        names = concerned(old, new, self.services.of(key.namespace))
        return {Key(key.namespace, name) for name in names}

    def take_slice(self, event: Event[EndpointSlice]) -> set[Key]:
        """It came, changed or went. None of our business unless it is ours, or was."""
        key = event.object.metadata.key
        owner = _service_of(event.object) if isinstance(event, Applied) else None
        before = self._service_of.pop(key, None)
        if before is not None and before != owner:
            self.slices.pop(before, key.name)
        if owner is not None:
            self.slices.put(owner, key.name, event.object)
            self._service_of[key] = owner
        return {each for each in (before, owner) if each is not None}

    def all_concerned(self) -> set[Key]:
        """All services that have, or may need, slices of ours."""
        services = {each.metadata.key for each in self.services}
        return {
            each for each in services if each.namespace != _UNTOUCHED or self.workloads.of(each[0])
        }


def _service_of(slice_: EndpointSlice) -> Key | None:
    """The service of a slice of ours."""
    labels = slice_.metadata.labels
    name = labels.get(SERVICE_NAME)
    return Key(slice_.metadata.namespace, name) if name and is_ours(labels) else None
