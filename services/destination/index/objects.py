"""The cluster's objects, with the ways in which answers find them.

Kept for everything from the start, so it is lean: the objects are shared with the reflectors. Each
change yields the subjects that it touched.
"""

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import Any, Final, TypeVar

from linkerd.kube.events import Applied, Event
from linkerd.kube.objects import (
    Endpoints,
    EndpointSlice,
    ExternalWorkload,
    Key,
    OwnerReference,
    PartialObject,
    Pod,
    Server,
    Service,
    ServiceProfile,
    TrafficSplit,
)
from linkerd.mesh.labels import TOPOLOGY_ZONE
from services.destination.index import dependencies as on
from services.destination.index import filing
from services.destination.index.dependencies import Subject
from services.destination.model.address import Socket

K = TypeVar("K")
V = TypeVar("V")


class Kind(Enum):
    """The kinds that the index reads; the value is Kubernetes' name."""

    POD = "Pod"
    SERVICE = "Service"
    SLICE = "EndpointSlice"
    ENDPOINTS = "Endpoints"
    EXTERNAL_WORKLOAD = "ExternalWorkload"
    NODE = "Node"
    REPLICA_SET = "ReplicaSet"
    JOB = "Job"
    SERVER = "Server"
    PROFILE = "ServiceProfile"
    SPLIT = "TrafficSplit"


class Objects:
    """What exists. Readers take the dictionaries as they are and never write to them.

    Endpoints objects, where these are read instead of slices, are filed as slices, one a subset.
    """

    def __init__(self) -> None:
        self.pods: dict[Key, Pod] = {}
        self.pods_by_ip: dict[str, tuple[Key, ...]] = {}
        self.pods_by_socket: dict[Socket, tuple[Key, ...]] = {}  # of their node
        self.workloads: dict[Key, ExternalWorkload] = {}
        self.workloads_by_socket: dict[Socket, tuple[Key, ...]] = {}
        self.services: dict[Key, Service] = {}
        self.services_by_ip: dict[str, tuple[Key, ...]] = {}
        self.slices: dict[Key, EndpointSlice] = {}
        self.slices_of: dict[Key, dict[Key, EndpointSlice]] = {}  # by the service's key
        self.zones: dict[str, str] = {}  # of nodes
        self.owners: dict[tuple[str, Key], OwnerReference | None] = {}  # of ReplicaSets and Jobs
        self.profiles: dict[Key, ServiceProfile] = {}
        self.splits: dict[Key, TrafficSplit] = {}
        self.splits_of: dict[Key, dict[Key, TrafficSplit]] = {}  # by the service's key
        self.opaque_servers: dict[str, dict[Key, Server]] = {}  # by namespace
        self._instances: dict[Key, dict[str, Key]] = {}  # pods by hostname; derived when asked for
        self._takers: Final[dict[Kind, Callable[[Key, Any], Iterator[Subject]]]] = {
            Kind.POD: self._take_pod,
            Kind.SERVICE: self._take_service,
            Kind.SLICE: self._take_slice,
            Kind.ENDPOINTS: self._take_endpoints,
            Kind.EXTERNAL_WORKLOAD: self._take_workload,
            Kind.NODE: self._take_node,
            Kind.REPLICA_SET: self._take_replica_set,
            Kind.JOB: self._take_job,
            Kind.SERVER: self._take_server,
            Kind.PROFILE: self._take_profile,
            Kind.SPLIT: self._take_split,
        }

    def apply(self, kind: Kind, event: Event[Any]) -> Iterable[Subject]:
        """Takes an event in, and says what it touched."""
        now = event.object if isinstance(event, Applied) else None
        return list(self._takers[kind](event.object.metadata.key, now))

    def owner(self, kind: str, key: Key) -> OwnerReference | None:
        """The one owner of a ReplicaSet or Job; None when it is unknown or has not just one."""
        return self.owners.get((kind, key))

    def instance(self, service: Key, hostname: str) -> Key | None:
        """The pod that a service knows by `hostname`, ready or not; of several, the one of the
        first slice by name."""
        known = self.slices_of.get(service)
        if known is None:  # anybody may ask for any name, which must not cost memory
            return None
        found = self._instances.get(service)
        if found is None:
            slices = sorted(known.items(), reverse=True)
            found = {name: pod for _, now in slices for name, pod in filing.instances(now)}
            self._instances[service] = found
        return found.get(hostname)

    def _take_pod(self, key: Key, now: Pod | None) -> Iterator[Subject]:
        before = _put(self.pods, key, now)
        yield on.pod(*key)
        was, ips = filing.pod_ips(before), filing.pod_ips(now)
        for ip in _move(self.pods_by_ip, key, was, ips):
            yield on.ip(ip)
        left, sockets = filing.host_ports(before), filing.host_ports(now)
        for at in _move(self.pods_by_socket, key, left.keys(), sockets.keys()):
            yield on.socket(*at)

    def _take_workload(self, key: Key, now: ExternalWorkload | None) -> Iterator[Subject]:
        before = _put(self.workloads, key, now)
        yield on.workload(*key)
        left, sockets = filing.workload_sockets(before), filing.workload_sockets(now)
        for at in _move(self.workloads_by_socket, key, left, sockets):
            yield on.socket(*at)

    def _take_service(self, key: Key, now: Service | None) -> Iterator[Subject]:
        before = _put(self.services, key, now)
        yield on.service(*key)
        was, ips = filing.service_ips(before), filing.service_ips(now)
        for ip in _move(self.services_by_ip, key, was, ips):
            yield on.ip(ip)

    def _take_slice(self, key: Key, now: EndpointSlice | None) -> Iterator[Subject]:
        before = _put(self.slices, key, now)
        was, owner = filing.slice_owner(before), filing.slice_owner(now)
        for service in _refile(self.slices_of, key, was, owner, now):
            self._instances.pop(service, None)
            yield on.slices(*service)
        left, named = filing.named(was, before), filing.named(owner, now)
        yield from {on.instance(*service, hostname) for service, hostname, _ in left ^ named}

    def _take_endpoints(self, key: Key, now: Endpoints | None) -> Iterator[Subject]:
        made = filing.subsets(now)
        for gone in [known for known in self.slices_of.get(key, ()) if known not in made]:
            yield from self._take_slice(gone, None)
        for subset, shape in made.items():
            yield from self._take_slice(subset, shape)

    def _take_node(self, key: Key, now: PartialObject | None) -> Iterator[Subject]:
        zone = now.metadata.labels.get(TOPOLOGY_ZONE, "") if now is not None else ""
        if _put(self.zones, key.name, zone or None) != (zone or None):
            yield on.node(key.name)

    def _take_replica_set(self, key: Key, now: PartialObject | None) -> Iterator[Subject]:
        return self._take_owned(Kind.REPLICA_SET, key, now)

    def _take_job(self, key: Key, now: PartialObject | None) -> Iterator[Subject]:
        return self._take_owned(Kind.JOB, key, now)

    def _take_owned(self, kind: Kind, key: Key, now: PartialObject | None) -> Iterator[Subject]:
        references = now.metadata.owner_references if now is not None else ()
        owner = references[0] if len(references) == 1 else None
        if _put(self.owners, (kind.value, key), owner) != owner:
            yield on.owner(kind.value, *key)

    def _take_profile(self, key: Key, now: ServiceProfile | None) -> Iterator[Subject]:
        _put(self.profiles, key, now)
        yield on.profile(*key)

    def _take_split(self, key: Key, now: TrafficSplit | None) -> Iterator[Subject]:
        before = _put(self.splits, key, now)
        was, owner = filing.split_service(before), filing.split_service(now)
        for service in _refile(self.splits_of, key, was, owner, now):
            yield on.splits(*service)

    def _take_server(self, key: Key, now: Server | None) -> Iterator[Subject]:
        opaque = now if now is not None and now.spec.proxy_protocol == "opaque" else None
        servers = self.opaque_servers.setdefault(key.namespace, {})
        before = _put(servers, key, opaque)
        if not servers:
            del self.opaque_servers[key.namespace]
        if before is not None or opaque is not None:
            yield on.servers(key.namespace)


def _put(table: dict[K, V], key: K, now: V | None) -> V | None:
    """Sets or (None) removes an entry; the one that was there."""
    before = table.pop(key, None) if now is None else table.get(key)
    if now is not None:
        table[key] = now
    return before


def _move(
    table: dict[K, tuple[Key, ...]], key: Key, before: AbstractSet[K], now: AbstractSet[K]
) -> AbstractSet[K]:
    """Files `key` under `now` where it was filed under `before`; the entries that changed."""
    if before == now:  # most often: few pods have ports of their node
        return frozenset()
    for place in now - before:
        table[place] = (*table.get(place, ()), key)
    for place in before - now:
        rest = tuple(other for other in table[place] if other != key)
        _put(table, place, rest or None)
    return before ^ now


def _refile(
    table: dict[Key, dict[Key, V]], key: Key, was: Key | None, owner: Key | None, now: V | None
) -> Iterator[Key]:
    """Files `now` under its owner, not (if that is another) under the one that it had; the owners
    that are concerned."""
    if was is not None and was != owner:
        siblings = table[was]
        del siblings[key]
        if not siblings:
            del table[was]
        yield was
    if owner is not None and now is not None:
        table.setdefault(owner, {})[key] = now
        yield owner
