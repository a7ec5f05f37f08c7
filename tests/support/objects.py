"""Kubernetes objects for tests, in few words. Versions rise with every object made, as they do on a
server."""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, Final

import msgspec

from linkerd.kube.objects import (
    DatedMeta,
    Endpoint,
    EndpointAddress,
    EndpointConditions,
    EndpointHints,
    EndpointPort,
    Endpoints,
    EndpointSlice,
    EndpointSubset,
    ExternalWorkload,
    ExternalWorkloadSpec,
    ForZone,
    LabelSelector,
    MeshTLS,
    ObjectMeta,
    OwnerReference,
    PartialObject,
    Server,
    ServerSpec,
    Service,
    ServicePort,
    ServiceProfile,
    ServiceSpec,
    TargetRef,
    TrafficSplit,
    WorkloadIP,
    WorkloadPort,
)
from linkerd.mesh.labels import (
    CONTROL_PLANE_NS,
    SERVICE_NAME,
    TOPOLOGY_ZONE,
)
from linkerd.mesh.proxy import (
    PROXY_ADMIN_LISTEN_ADDR,
    PROXY_CONTAINER,
    PROXY_CONTROL_LISTEN_ADDR,
    PROXY_INBOUND_LISTEN_ADDR,
)
from services.destination.pods import (
    Address,
    Container,
    ContainerPort,
    EnvVar,
    Pod,
    PodSpec,
    PodStatus,
)

_versions: Final = count(1)

MESHED: Final[Mapping[str, str]] = {CONTROL_PLANE_NS: "linkerd"}


def meta(
    name: str,
    namespace: str = "",
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    owners: Sequence[tuple[str, str]] = (),
    deleting: bool = False,
) -> ObjectMeta:
    """Metadata. `owners` are kinds and names."""
    return ObjectMeta(
        name=name,
        namespace=namespace,
        uid=f"uid-{namespace}-{name}",
        resource_version=str(next(_versions)),
        labels=dict(labels or {}),
        annotations=dict(annotations or {}),
        owner_references=tuple(OwnerReference(kind=kind, name=owner) for kind, owner in owners),
        deletion_timestamp="2030-01-01T00:00:00Z" if deleting else None,
    )


def dated_meta(name: str, namespace: str = "", *, created: str = "", **rest: Any) -> DatedMeta:
    """The same, with the time of creation."""
    plain = msgspec.structs.asdict(meta(name, namespace, **rest))
    return DatedMeta(**plain, creation_timestamp=created)


def proxy(inbound: str = "0.0.0.0:4143", control: str = "0.0.0.0:4190") -> Container:
    """A proxy container. An empty address leaves its variable out."""
    addresses = {
        PROXY_INBOUND_LISTEN_ADDR: inbound,
        PROXY_ADMIN_LISTEN_ADDR: "0.0.0.0:4191",
        PROXY_CONTROL_LISTEN_ADDR: control,
    }
    env = tuple(EnvVar(name, value) for name, value in addresses.items() if value)
    return Container(PROXY_CONTAINER, env=env)


def container(name: str = "app", *more: ContainerPort, **ports: int | tuple[int, int]) -> Container:
    """A container with named ports, each a number or a number and the node's port; and `more`."""
    declared = list(more)
    for port_name, number in ports.items():
        own, host = number if isinstance(number, tuple) else (number, 0)
        declared.append(ContainerPort(own, name=port_name, host_port=host))
    return Container(name, ports=tuple(declared))


def pod(
    name: str,
    namespace: str = "fin",
    *ips: str,
    meshed: bool = True,
    containers: Sequence[Container] = (),
    init_containers: Sequence[Container] | None = None,
    labels: Mapping[str, str] | None = None,
    node: str = "",
    account: str = "",
    phase: str = "Running",
    host_network: bool = False,
    host_ip: str = "",
    host_ips: Sequence[str] = (),
    **metadata: Any,
) -> Pod:
    """A running pod with a proxy (a native sidecar), unless told otherwise."""
    marks = dict(MESHED) if meshed else {}
    sidecars = (proxy(),) if meshed else ()
    return Pod(
        meta(name, namespace, labels=marks | dict(labels or {}), **metadata),
        PodSpec(
            node_name=node,
            service_account_name=account,
            host_network=host_network,
            containers=tuple(containers),
            init_containers=sidecars if init_containers is None else tuple(init_containers),
        ),
        PodStatus(
            phase=phase,
            pod_ip=ips[0] if ips else "",
            pod_ips=tuple(map(Address, ips)),
            host_ip=host_ip,
            host_ips=tuple(map(Address, host_ips)),
        ),
    )


def service(
    name: str,
    namespace: str = "fin",
    *ips: str,
    type: str = "ClusterIP",  # noqa: A002  # Kubernetes' name
    local: bool = False,
    ports: Mapping[str, int] | None = None,
    **metadata: Any,
) -> Service:
    """A service; `ports` are names and numbers, by default one without a name, 8080."""
    declared = {"": 8080} if ports is None else ports
    spec = ServiceSpec(
        type=type,
        cluster_ip=ips[0] if ips else "None",
        cluster_ips=ips,
        ports=tuple(ServicePort(number, name=port) for port, number in declared.items()),
        internal_traffic_policy="Local" if local else "Cluster",
    )
    return Service(meta(name, namespace, **metadata), spec)


def endpoint(
    *ips: str,
    pod: str | tuple[str, str] | None = None,  # a name, or a kind and a name
    namespace: str = "",
    ready: bool | None = None,
    zone: str | None = None,
    hints: Sequence[str] = (),
    hostname: str | None = None,
) -> Endpoint:
    """An endpoint of a slice; without a pod it is a bare address."""
    kind, name = ("Pod", pod) if isinstance(pod, str) else pod or ("", "")
    return Endpoint(
        addresses=ips,
        conditions=EndpointConditions(ready=ready),
        hostname=hostname,
        zone=zone,
        target_ref=TargetRef(kind=kind, name=name, namespace=namespace) if name else None,
        hints=EndpointHints(tuple(map(ForZone, hints))) if hints else None,
    )


def endpoint_slice(
    name: str,
    of: str | None,
    *endpoints: Endpoint,
    namespace: str = "fin",
    ports: Mapping[str, int | None] | None = None,
    labels: Mapping[str, str] | None = None,
    **metadata: Any,
) -> EndpointSlice:
    """A slice of the service `of`; `ports` by default one without a name, 8080."""
    declared: Mapping[str, int | None] = {"": 8080} if ports is None else ports
    marks = {SERVICE_NAME: of} if of is not None else {}
    return EndpointSlice(
        meta(name, namespace, labels=marks | dict(labels or {}), **metadata),
        address_type="IPv4",
        endpoints=endpoints,
        ports=tuple(EndpointPort(port, number) for port, number in declared.items()),
    )


def external_workload(
    name: str,
    namespace: str = "fin",
    *ips: str,
    ports: Mapping[str, int] | None = None,
    identity: str = "spiffe://trust.mesh.test/metal",
    server_name: str = "metal.mesh.test",
    **metadata: Any,
) -> ExternalWorkload:
    """A machine outside the cluster; `ports` as of services."""
    declared = {"": 8080} if ports is None else ports
    spec = ExternalWorkloadSpec(
        MeshTLS(identity, server_name),
        tuple(map(WorkloadIP, ips)),
        tuple(WorkloadPort(number, name=port) for port, number in declared.items()),
    )
    return ExternalWorkload(meta(name, namespace, **metadata), spec)


def endpoint_address(
    ip: str,
    *,
    pod: str | tuple[str, str] | None = None,  # a name, or a kind and a name
    namespace: str = "fin",
    hostname: str | None = None,
) -> EndpointAddress:
    """An address of an Endpoints object; without a pod it is bare."""
    kind, name = ("Pod", pod) if isinstance(pod, str) else pod or ("", "")
    target = TargetRef(kind=kind, name=name, namespace=namespace) if name else None
    return EndpointAddress(ip, hostname, target_ref=target)


def subset(*addresses: EndpointAddress, ports: Mapping[str, int] | None = None) -> EndpointSubset:
    """A subset of an Endpoints object; `ports` by default one without a name, 8080."""
    declared = {"": 8080} if ports is None else ports
    return EndpointSubset(
        addresses, tuple(EndpointPort(port, number) for port, number in declared.items())
    )


def endpoints(
    of: str, *subsets: EndpointSubset, namespace: str = "fin", **metadata: Any
) -> Endpoints:
    """The Endpoints of the service `of`."""
    return Endpoints(meta(of, namespace, **metadata), subsets)


def node(name: str, zone: str = "") -> PartialObject:
    """A node, in a zone."""
    return PartialObject(meta(name, labels={TOPOLOGY_ZONE: zone} if zone else {}))


def owned(name: str, namespace: str, *owners: tuple[str, str]) -> PartialObject:
    """A ReplicaSet or Job with owners."""
    return PartialObject(meta(name, namespace, owners=owners))


def server(
    name: str,
    port: int | str,
    *,
    namespace: str = "fin",
    selects: Mapping[str, str] | LabelSelector | None,
    workloads: Mapping[str, str] | LabelSelector | None = None,
    protocol: str = "opaque",
) -> Server:
    """A Server for the pods with these labels, and for such ExternalWorkloads; None selects
    none."""
    spec = ServerSpec(port, _selector(selects), _selector(workloads), proxy_protocol=protocol)
    return Server(dated_meta(name, namespace), spec)


def _selector(labels: Mapping[str, str] | LabelSelector | None) -> LabelSelector | None:
    if labels is None or isinstance(labels, LabelSelector):
        return labels
    return LabelSelector(match_labels=dict(labels))


def service_profile(name: str, namespace: str = "fin", **spec: Any) -> ServiceProfile:
    """A ServiceProfile; `spec` as in its YAML."""
    manifest = {"metadata": {"name": name, "namespace": namespace}, "spec": spec}
    profile = msgspec.convert(manifest, ServiceProfile)
    return msgspec.structs.replace(profile, metadata=meta(name, namespace))


def traffic_split(
    name: str,
    of: str,
    *,
    namespace: str = "fin",
    created: str = "2026-01-01T00:00:00Z",
    **backends: int | str,
) -> TrafficSplit:
    """A TrafficSplit of the service `of`; backends are services and weights."""
    items = [{"service": backend, "weight": weight} for backend, weight in backends.items()]
    metadata = {"name": name, "namespace": namespace}
    manifest = {"metadata": metadata, "spec": {"service": of, "backends": items}}
    split = msgspec.convert(manifest, TrafficSplit)
    return msgspec.structs.replace(split, metadata=dated_meta(name, namespace, created=created))
