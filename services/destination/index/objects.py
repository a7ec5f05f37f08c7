"""The cluster's objects, with the ways in which answers find them.

Kept for everything from the start, so it is lean: the objects are shared with the reflectors. Each
change yields the subjects that it touched.
"""

from collections.abc import Iterator
from enum import Enum

from linkerd import index
from linkerd.index import Subject, Taker
from linkerd.index.filing import move, put, refile
from linkerd.kube.objects import (
    Endpoints,
    EndpointSlice,
    ExternalWorkload,
    Key,
    OwnerReference,
    PartialObject,
    Server,
    Service,
    ServiceProfile,
    TrafficSplit,
)
from linkerd.mesh.addresses import Socket
from linkerd.mesh.labels import TOPOLOGY_ZONE
from services.destination.index import filing
from services.destination.index import subjects as on
from services.destination.pods import Pod


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


class Objects(index.Objects[Kind]):
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
        takers: dict[Kind, Taker] = {
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
        super().__init__(takers)

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
        before = put(self.pods, key, now)
        yield on.pod(*key)
        was, ips = filing.pod_ips(before), filing.pod_ips(now)
        for ip in move(self.pods_by_ip, key, was, ips):
            yield on.ip(ip)
        left, sockets = filing.host_ports(before), filing.host_ports(now)
        if left or sockets:  # few have any
            for at in move(self.pods_by_socket, key, left.keys(), sockets.keys()):
                yield on.socket(*at)

    def _take_workload(self, key: Key, now: ExternalWorkload | None) -> Iterator[Subject]:
        before = put(self.workloads, key, now)
        yield on.workload(*key)
        left, sockets = filing.workload_sockets(before), filing.workload_sockets(now)
        for at in move(self.workloads_by_socket, key, left, sockets):
            yield on.socket(*at)

    def _take_service(self, key: Key, now: Service | None) -> Iterator[Subject]:
        before = put(self.services, key, now)
        yield on.service(*key)
        was, ips = filing.service_ips(before), filing.service_ips(now)
        for ip in move(self.services_by_ip, key, was, ips):
            yield on.ip(ip)

    def _take_slice(self, key: Key, now: EndpointSlice | None) -> Iterator[Subject]:
        before = put(self.slices, key, now)
        was, owner = filing.slice_owner(before), filing.slice_owner(now)
        for service in refile(self.slices_of, key, was, owner, now):
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
        if put(self.zones, key.name, zone or None) != (zone or None):
            yield on.node(key.name)

    def _take_replica_set(self, key: Key, now: PartialObject | None) -> Iterator[Subject]:
        return self._take_owned(Kind.REPLICA_SET, key, now)

    def _take_job(self, key: Key, now: PartialObject | None) -> Iterator[Subject]:
        return self._take_owned(Kind.JOB, key, now)

    def _take_owned(self, kind: Kind, key: Key, now: PartialObject | None) -> Iterator[Subject]:
        references = now.metadata.owner_references if now is not None else ()
        owner = references[0] if len(references) == 1 else None
        if put(self.owners, (kind.value, key), owner) != owner:
            yield on.owner(kind.value, *key)

    def _take_profile(self, key: Key, now: ServiceProfile | None) -> Iterator[Subject]:
        put(self.profiles, key, now)
        yield on.profile(*key)

    def _take_split(self, key: Key, now: TrafficSplit | None) -> Iterator[Subject]:
        before = put(self.splits, key, now)
        was, owner = filing.split_service(before), filing.split_service(now)
        for service in refile(self.splits_of, key, was, owner, now):
            yield on.splits(*service)

    def _take_server(self, key: Key, now: Server | None) -> Iterator[Subject]:
        opaque = now if now is not None and now.spec.proxy_protocol == "opaque" else None
        servers = self.opaque_servers.setdefault(key.namespace, {})
        before = put(servers, key, opaque)
        if not servers:
            del self.opaque_servers[key.namespace]
        if before is not None or opaque is not None:
            yield on.servers(key.namespace)
