"""Under what the objects of a cluster are filed."""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from linkerd.kube.objects import (
    Endpoint,
    EndpointAddress,
    Endpoints,
    EndpointSlice,
    ExternalWorkload,
    Key,
    Service,
    TrafficSplit,
)
from linkerd.mesh.addresses import Socket, canonical_ip, is_ipv6
from linkerd.mesh.labels import SERVICE_NAME
from services.destination.pods import Pod

_TCP: Final = "TCP"  # what proxies carry
_UNSPECIFIED: Final = ("0.0.0.0", "::")  # noqa: S104  # as pods say it; nothing is bound here


def pod_ips(pod: Pod | None) -> AbstractSet[str]:
    """The IPs that are the pod's own; a pod on its node's network has none."""
    if pod is None or pod.spec.host_network:
        return frozenset()
    return _canonical(pod.status.ips)


def service_ips(service: Service | None) -> AbstractSet[str]:
    """The IPs under which clients call a service."""
    return _canonical(service.spec.ips) if service is not None else frozenset()


def host_ports(pod: Pod | None) -> Mapping[Socket, int]:
    """The TCP ports of its node that lead to the pod, each with the port of the pod behind it.

    As the kubelet and CNI plugins make them: a `hostIP` is that address of the node alone, one that
    is unspecified (0.0.0.0, ::) all of its family, none all; and only to families that the pod has.
    A loopback address is none that others could reach.
    """
    if pod is None:
        return {}
    containers = (*pod.spec.init_containers, *pod.spec.containers)
    ports = [port for item in containers for port in item.ports if port.host_port]
    if not ports:
        return {}
    found: dict[Socket, int] = {}
    ips = _canonical(pod.status.host_addresses)
    families = {is_ipv6(ip) for ip in pod.status.ips} or {False, True}
    for port in ports:
        if port.protocol == _TCP:
            bound = canonical_ip(port.host_ip)
            for ip in ips:
                if is_ipv6(ip) in families and _carries(ip, port.host_ip, bound):
                    found.setdefault((ip, port.host_port), port.container_port)
    return found


def _carries(ip: str, written: str, bound: str | None) -> bool:
    """Whether an address of the node is meant by a `hostIP`, as written and in canonical form."""
    if bound in _UNSPECIFIED:
        return is_ipv6(ip) == is_ipv6(bound)
    return not written or ip == bound


def workload_sockets(workload: ExternalWorkload | None) -> AbstractSet[Socket]:
    """The TCP ports that an ExternalWorkload declares, at all of its IPs."""
    if workload is None:
        return frozenset()
    ips = _canonical(item.ip for item in workload.spec.workload_ips)
    ports = [port.port for port in workload.spec.ports if port.protocol == _TCP]
    return {(ip, port) for ip in ips for port in ports}


def instances(now: EndpointSlice) -> Iterator[tuple[str, Key]]:
    """Pods by the hostnames that a slice gives them. Of two with one name the first counts: it is
    last here."""
    for endpoint in reversed(now.endpoints):
        target = endpoint.target_ref
        if endpoint.hostname and target is not None and target.kind == "Pod":
            yield endpoint.hostname, Key(target.namespace or now.metadata.namespace, target.name)


def named(service: Key | None, now: EndpointSlice | None) -> AbstractSet[tuple[Key, str, Key]]:
    """The pods that a slice of a service gives hostnames: service, hostname, pod."""
    if service is None or now is None:
        return frozenset()
    return {(service, *found) for found in dict(instances(now)).items()}


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
