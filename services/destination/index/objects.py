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
    EndpointSlice,
    Key,
    OwnerReference,
    PartialObject,
    Pod,
    Server,
    Service,
    ServiceProfile,
)
from linkerd.labels import SERVICE_NAME, TOPOLOGY_ZONE
from services.destination.index import dependencies as on
from services.destination.index.dependencies import Subject
from services.destination.model.ip import canonical_ip

K = TypeVar("K")
V = TypeVar("V")


class Kind(Enum):
    """The kinds that the index reads; the value is Kubernetes' name."""

    POD = "Pod"
    SERVICE = "Service"
    SLICE = "EndpointSlice"
    NODE = "Node"
    REPLICA_SET = "ReplicaSet"
    JOB = "Job"
    SERVER = "Server"
    PROFILE = "ServiceProfile"


class Objects:
    """What exists. Readers take the dictionaries as they are and never write to them."""

    def __init__(self) -> None:
        self.pods: dict[Key, Pod] = {}
        self.pods_by_ip: dict[str, tuple[Key, ...]] = {}
        self.pods_by_host_port: dict[tuple[str, int], tuple[Key, ...]] = {}
        self.services: dict[Key, Service] = {}
        self.services_by_ip: dict[str, tuple[Key, ...]] = {}
        self.slices: dict[Key, EndpointSlice] = {}
        self.slices_of: dict[Key, dict[Key, EndpointSlice]] = {}  # by the service's key
        self.zones: dict[str, str] = {}  # of nodes
        self.owners: dict[tuple[str, Key], OwnerReference | None] = {}  # of ReplicaSets and Jobs
        self.profiles: dict[Key, ServiceProfile] = {}
        self.opaque_servers: dict[str, dict[Key, Server]] = {}  # by namespace
        self._instances: dict[Key, dict[str, Key]] = {}  # pods by hostname; derived when asked for
        self._takers: Final[dict[Kind, Callable[[Key, Any], Iterator[Subject]]]] = {
            Kind.POD: self._take_pod,
            Kind.SERVICE: self._take_service,
            Kind.SLICE: self._take_slice,
            Kind.NODE: self._take_node,
            Kind.REPLICA_SET: self._take_replica_set,
            Kind.JOB: self._take_job,
            Kind.SERVER: self._take_server,
            Kind.PROFILE: self._take_profile,
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
        found = self._instances.get(service)
        if found is None:
            slices = sorted(self.slices_of.get(service, {}).items(), reverse=True)
            found = {name: pod for _, now in slices for name, pod in _instances(now)}
            self._instances[service] = found
        return found.get(hostname)

    def _take_pod(self, key: Key, now: Pod | None) -> Iterator[Subject]:
        before = _put(self.pods, key, now)
        yield on.pod(*key)
        for ip in _move(self.pods_by_ip, key, _pod_ips(before), _pod_ips(now)):
            yield on.ip(ip)
        for at in _move(self.pods_by_host_port, key, _host_ports(before), _host_ports(now)):
            yield on.host_port(*at)

    def _take_service(self, key: Key, now: Service | None) -> Iterator[Subject]:
        before = _put(self.services, key, now)
        yield on.service(*key)
        for ip in _move(self.services_by_ip, key, _service_ips(before), _service_ips(now)):
            yield on.ip(ip)

    def _take_slice(self, key: Key, now: EndpointSlice | None) -> Iterator[Subject]:
        before = _put(self.slices, key, now)
        was, owner = _slice_owner(before), _slice_owner(now)
        for service in (was, owner):
            if service is not None:
                self._instances.pop(service, None)
        if was is not None and was != owner:
            siblings = self.slices_of[was]
            del siblings[key]
            if not siblings:
                del self.slices_of[was]
            yield on.slices(*was)
        if owner is not None and now is not None:
            self.slices_of.setdefault(owner, {})[key] = now
            yield on.slices(*owner)

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
    for place in now - before:
        table[place] = (*table.get(place, ()), key)
    for place in before - now:
        rest = tuple(other for other in table[place] if other != key)
        _put(table, place, rest or None)
    return before ^ now


def _pod_ips(pod: Pod | None) -> AbstractSet[str]:
    """The IPs that are the pod's own; a pod on its node's network has none."""
    if pod is None or pod.spec.host_network:
        return frozenset()
    return _canonical(pod.status.ips)


def _service_ips(service: Service | None) -> AbstractSet[str]:
    return _canonical(service.spec.ips) if service is not None else frozenset()


def _canonical(ips: Iterable[str]) -> AbstractSet[str]:
    return {ip for text in ips if (ip := canonical_ip(text)) is not None}


def _host_ports(pod: Pod | None) -> AbstractSet[tuple[str, int]]:
    """The ports of its node that lead to the pod."""
    if pod is None:
        return frozenset()
    containers = (*pod.spec.init_containers, *pod.spec.containers)
    ports = {port.host_port for item in containers for port in item.ports if port.host_port}
    if not ports:
        return frozenset()
    return {(ip, port) for ip in _canonical(pod.status.host_addresses) for port in ports}


def _instances(now: EndpointSlice) -> Iterator[tuple[str, Key]]:
    for endpoint in reversed(now.endpoints):  # of two with one name the first counts: it is last
        target = endpoint.target_ref
        if endpoint.hostname and target is not None and target.kind == "Pod":
            yield endpoint.hostname, Key(target.namespace or now.metadata.namespace, target.name)


def _slice_owner(now: EndpointSlice | None) -> Key | None:
    """The service that a slice belongs to: its label says so, or else its owner does."""
    if now is None:
        return None
    metadata = now.metadata
    name = metadata.labels.get(SERVICE_NAME)
    if name is None:
        name = next((o.name for o in metadata.owner_references if o.kind == "Service"), None)
    return Key(metadata.namespace, name) if name else None
