"""The endpoints of a port of a service, over all of its slices."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from linkerd.index import NOTHING, Dependent
from linkerd.kube.objects import EndpointSlice, Key, Service
from linkerd.mesh.addresses import Socket
from linkerd.mesh.labels import REMOTE_CLUSTER_NAME, REMOTE_SERVICE_FQ_NAME
from linkerd.mesh.metric_labels import label_value
from services.destination.index import subjects as on
from services.destination.index.audiences import Addresses, Census, differences
from services.destination.index.context import Context
from services.destination.index.parts import PortName, SlicePart
from services.destination.model.address import Address, Labels

EXTERNAL_NAME: Final = "ExternalName"
_LOCAL: Final = "Local"


@dataclass(slots=True)
class _Draft:
    """What is told next, as far as it has been put together."""

    addresses: dict[Socket, Address]
    census: Census
    changed: dict[Socket, None] = field(default_factory=dict)


class MergedPort(Dependent):
    """The endpoints of a port of a service, over all slices of the service.

    What changed is taken in (`collect`) and put together (`merge`) a slice a step; what is told
    stays as it was until the end (`become`). `addresses` is replaced, never changed; of a socket in
    several slices the newest slice's address counts.
    """

    __slots__ = (
        *("_changed", "_draft", "_key", "_overlaps", "_parts", "_port", "_touched"),
        *("addresses", "census", "context", "labels"),
    )

    def __init__(self, context: Context, key: Key, port: int, touched: Callable[[], None]) -> None:
        super().__init__()
        self.context = context
        self._key = key
        self._port = port
        self._touched = touched
        self._parts: dict[Key, SlicePart] = {}
        self._changed: list[tuple[SlicePart, set[Socket]]] = []  # since the last merge
        self._overlaps = False  # a socket is in several slices
        self._draft: _Draft | None = None
        self.addresses: Addresses = {}
        self.census = Census()
        self.labels: Labels = ()
        context.dependencies.watch(self, {on.service(*key), on.slices(*key)})

    def touch(self) -> None:
        self._touched()

    def collect(self) -> Iterator[None]:
        """Takes in the service and its slices as they are now."""
        slices = dict(self._slices())
        for key in self._parts.keys() - slices.keys():
            part = self._parts.pop(key)
            self._changed.append((part, part.close()))
            yield
        wanted = port_name(self.context.objects.services.get(self._key), self._port)
        for key, now in slices.items():
            known = self._parts.get(key)
            if known is None:
                known = self._parts[key] = SlicePart(self.context, self._port, self._touched)
            if changed := known.update(now, wanted):
                self._changed.append((known, changed))
            yield

    def collected(self, *, changed: bool) -> list[Addresses]:
        """What was collected, by slice: all of it, or where something changed."""
        parts = [part for part, _ in self._changed] if changed else self._parts.values()
        return [part.addresses for part in parts]

    def merge(self) -> Iterator[None]:
        """Puts together what was collected."""
        changes, self._changed = self._changed, []
        if not changes and not self._overlaps:
            return
        draft = _Draft(dict(self.addresses), replace(self.census))
        for _, sockets in changes:
            for socket in sockets:
                draft.addresses.pop(socket, None)
            yield
        for part, sockets in changes:
            draft.addresses.update(
                (at, part.addresses[at]) for at in sockets if at in part.addresses
            )
            yield
        count = sum(len(part.addresses) for part in self._parts.values())
        touched: Iterable[Iterable[Socket]] = (sockets for _, sockets in changes)
        if self._overlaps or len(draft.addresses) != count:
            draft.addresses = self._merge_overlapping()
            touched = [differences(self.addresses, draft.addresses)]
        self._overlaps = len(draft.addresses) != count
        for some in touched:
            self._compare(draft, some)
            yield
        self._draft = draft

    def become(self) -> Sequence[Socket]:
        """What was put together counts from now on; the sockets that changed."""
        self.labels = _labels(self._key, self._slices())
        draft, self._draft = self._draft, None
        if draft is None or not draft.changed:
            return ()
        self.addresses, self.census = draft.addresses, draft.census
        return list(draft.changed)

    def _compare(self, draft: _Draft, touched: Iterable[Socket]) -> None:
        before, now = self.addresses, draft.addresses
        for at in differences(before, now, touched):
            if at not in draft.changed:
                draft.changed[at] = None
                draft.census.count(before.get(at), -1)
                draft.census.count(now.get(at), 1)

    def close(self) -> Iterator[None]:
        """Nobody asks any more. Lets go of everything, a slice a step."""
        self.context.dependencies.watch(self, NOTHING)
        parts, self._parts, self._changed = self._parts, {}, []
        return _closing(parts)

    @property
    def stays_local(self) -> bool:
        """Whether the service keeps traffic on the node that it comes from."""
        service = self.context.objects.services.get(self._key)
        return service is not None and service.spec.internal_traffic_policy == _LOCAL

    def _slices(self) -> Mapping[Key, EndpointSlice]:
        """The slices that count."""
        service = self.context.objects.services.get(self._key)
        if service is None or service.spec.type == EXTERNAL_NAME:
            return {}
        return self.context.objects.slices_of.get(self._key, {})

    def _merge_overlapping(self) -> dict[Socket, Address]:
        now: dict[Socket, Address] = {}
        for part in sorted(self._parts.values(), key=lambda part: part.rank):
            now.update(part.addresses)
        return now


def _closing(parts: dict[Key, SlicePart]) -> Iterator[None]:
    while parts:
        parts.popitem()[1].close()
        yield


def port_name(service: Service | None, port: int) -> PortName:
    """What to look for in the slices of a service: the name of its port, or the number itself if
    the service does not declare it. Of two ports with one number, the TCP one."""
    declared = [item for item in service.spec.ports if item.port == port] if service else []
    declared.sort(key=lambda item: item.protocol != "TCP")
    return declared[0].name if declared else port


def _labels(key: Key, slices: Mapping[Key, EndpointSlice]) -> Labels:
    labels = {"namespace": key.namespace, "service": key.name}
    mirrors = (
        now.metadata for now in slices.values() if REMOTE_CLUSTER_NAME in now.metadata.labels
    )
    mirror = min(mirrors, key=lambda metadata: metadata.name, default=None)
    if mirror is not None:
        labels["target_cluster"] = mirror.labels[REMOTE_CLUSTER_NAME]
        names = mirror.annotations.get(REMOTE_SERVICE_FQ_NAME, "").split(".")
        if len(names) > 1:
            labels["target_service"], labels["target_service_namespace"] = names[:2]
    return tuple((name, label_value(value)) for name, value in labels.items())
