"""Under what the objects of a cluster are filed."""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

import msgspec

from linkerd.kube.objects import (
    Endpoint,
    EndpointAddress,
    Endpoints,
    EndpointSlice,
    ExternalWorkload,
    Key,
    Pod,
    Service,
    TrafficSplit,
)
from linkerd.labels import SERVICE_NAME
from services.destination.model.address import Socket
from services.destination.model.ip import canonical_ip


def pod_ips(pod: Pod | None) -> AbstractSet[str]:
    """The IPs that are the pod's own; a pod on its node's network has none."""
    if pod is None or pod.spec.host_network:
        return frozenset()
    return _canonical(pod.status.ips)


def service_ips(service: Service | None) -> AbstractSet[str]:
    """The IPs under which clients call a service."""
    return _canonical(service.spec.ips) if service is not None else frozenset()


def host_ports(pod: Pod | None) -> AbstractSet[Socket]:
    """The ports of its node that lead to the pod."""
    if pod is None:
        return frozenset()
    containers = (*pod.spec.init_containers, *pod.spec.containers)
    ports = {port.host_port for item in containers for port in item.ports if port.host_port}
    if not ports:
        return frozenset()
    return {(ip, port) for ip in _canonical(pod.status.host_addresses) for port in ports}


def workload_sockets(workload: ExternalWorkload | None) -> AbstractSet[Socket]:
    """The ports that an ExternalWorkload declares, at all of its IPs."""
    if workload is None:
        return frozenset()
    ips = _canonical(item.ip for item in workload.spec.workload_ips)
    return {(ip, port.port) for ip in ips for port in workload.spec.ports}


def instances(now: EndpointSlice) -> Iterator[tuple[str, Key]]:
    """Pods by the hostnames that a slice gives them. Of two with one name the first counts: it is
    last here."""
    for endpoint in reversed(now.endpoints):
        target = endpoint.target_ref
        if endpoint.hostname and target is not None and target.kind == "Pod":
            yield endpoint.hostname, Key(target.namespace or now.metadata.namespace, target.name)


def slice_owner(now: EndpointSlice | None) -> Key | None:
    """The service that a slice belongs to: its label says so, or else its owner does."""
    if now is None:
        return None
    metadata = now.metadata
    name = metadata.labels.get(SERVICE_NAME)
    if name is None:
        name = next((o.name for o in metadata.owner_references if o.kind == "Service"), None)
    return Key(metadata.namespace, name) if name else None


def split_service(now: TrafficSplit | None) -> Key | None:
    """The service whose traffic is split."""
    if now is None or not now.spec.service:
        return None
    return Key(now.metadata.namespace, now.spec.service)


SUBSET_MARK = "#"
"""Stands in the names of slices that were made of Endpoints: no object's name has it."""


def subsets(now: Endpoints | None) -> dict[Key, EndpointSlice]:
    """The subsets of an Endpoints object as slices. They have no type of addresses, which tells
    them from real ones."""
    if now is None:
        return {}
    made = {}
    for number, subset in enumerate(now.subsets):
        name = f"{now.metadata.name}{SUBSET_MARK}{number}"
        labels = {**now.metadata.labels, SERVICE_NAME: now.metadata.name}
        metadata = msgspec.structs.replace(now.metadata, name=name, labels=labels)
        endpoints = tuple(map(_endpoint, subset.addresses))
        made[metadata.key] = EndpointSlice(metadata, endpoints=endpoints, ports=subset.ports)
    return made


def _endpoint(address: EndpointAddress) -> Endpoint:
    return Endpoint(
        addresses=(address.ip,),
        hostname=address.hostname,
        node_name=address.node_name,
        target_ref=address.target_ref,
    )


def _canonical(ips: Iterable[str]) -> AbstractSet[str]:
    return {ip for text in ips if (ip := canonical_ip(text)) is not None}
