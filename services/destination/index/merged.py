"""The endpoints of a port of a service, over all of its slices."""

from collections.abc import Callable, Mapping, Sequence
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


class MergedPort(Dependent):
    """The endpoints of a port of a service, over all slices of the service.

    `addresses` is replaced, never changed; of a socket in several slices the newest slice's address
    counts.
    """

    __slots__ = ("_key", "_parts", "_port", "_touched", "addresses", "census", "context", "labels")

    def __init__(self, context: Context, key: Key, port: int, touched: Callable[[], None]) -> None:
        super().__init__()
        self.context = context
        self._key = key
        self._port = port
        self._touched = touched
        self._parts: dict[Key, SlicePart] = {}
        self.addresses: Addresses = {}
        self.census = Census()
        self.labels: Labels = ()
        context.dependencies.watch(self, {on.service(*key), on.slices(*key)})
        self.update()

    def touch(self) -> None:
        self._touched()

    def update(self) -> Sequence[Socket]:
        """Takes in the service and its slices as they are now; the sockets that changed."""
        service = self.context.objects.services.get(self._key)
        served = service is not None and service.spec.type != EXTERNAL_NAME
        slices = self.context.objects.slices_of.get(self._key, {}) if served else {}
        self.labels = _labels(self._key, slices)
        touched = self._drop_parts(slices)
        wanted = port_name(service, self._port)
        for key, now in slices.items():
            part = self._parts.get(key)
            if part is None:
                part = self._parts[key] = SlicePart(self.context, self._port, self._touched)
            touched |= part.update(now, wanted)
        return self._merge(touched)

    @property
    def stays_local(self) -> bool:
        """Whether the service keeps traffic on the node that it comes from."""
        service = self.context.objects.services.get(self._key)
        return service is not None and service.spec.internal_traffic_policy == _LOCAL

    def close(self) -> None:
        """Nobody asks any more."""
        self._drop_parts({})
        self.context.dependencies.watch(self, NOTHING)

    def _drop_parts(self, slices: Mapping[Key, EndpointSlice]) -> set[Socket]:
        gone = [key for key in self._parts if key not in slices]
        return {socket for key in gone for socket in self._parts.pop(key).close()}

    def _merge(self, touched: set[Socket]) -> Sequence[Socket]:
        """Merges what the parts have at `touched`, or everything if slices overlap."""
        before = self.addresses
        if not touched and len(before) == self._count():
            return ()
        now = dict(before)
        for socket in touched:
            now.pop(socket, None)
        for part in self._parts.values():
            now.update((at, part.addresses[at]) for at in touched if at in part.addresses)
        if len(now) != self._count():
            now = self._merge_overlapping()
            touched = set(differences(before, now))
        return self._become(now, touched)

    def _count(self) -> int:
        """How many addresses the parts have; more than the merged ones only if slices overlap."""
        return sum(len(part.addresses) for part in self._parts.values())

    def _merge_overlapping(self) -> dict[Socket, Address]:
        now: dict[Socket, Address] = {}
        for part in sorted(self._parts.values(), key=lambda part: part.rank):
            now.update(part.addresses)
        return now

    def _become(self, now: Addresses, touched: set[Socket]) -> Sequence[Socket]:
        before = self.addresses
        changed = differences(before, now, touched)
        if changed:
            self.addresses = now
            for at in changed:
                self.census.count(before.get(at), -1)
                self.census.count(now.get(at), 1)
        return changed


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
