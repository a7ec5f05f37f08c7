"""What an ExternalWorkload is as an endpoint of a Service: pure functions of the two.

What would make the API server refuse a slice is left out here, for a slice is refused whole and
one odd workload must not take ninety-nine others with it. Whoever reads calls `Odd` to hear of it.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from linkerd.kube.objects import (
    Endpoint,
    EndpointConditions,
    EndpointPort,
    ExternalWorkload,
    Service,
    ServicePort,
    TargetRef,
)
from linkerd.mesh.labels import TOPOLOGY_ZONE

IPV4: Final = "IPv4"
IPV6: Final = "IPv6"
FAMILIES: Final = (IPV4, IPV6)

Odd = Callable[[ExternalWorkload, str, str], None]
"""Told of a workload, the part of it that is odd, and what is wrong with it."""

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def is_headless(service: Service) -> bool:
    """Whether clients of the service get its endpoints instead of an IP."""
    return service.spec.cluster_ip == "None"


def families_of(service: Service) -> tuple[str, ...]:
    """The address families that the service's slices may have."""
    return service.spec.ip_families or FAMILIES


def ports_of(service: Service, workload: ExternalWorkload, odd: Odd) -> tuple[EndpointPort, ...]:
    """The service's ports that the workload declares, as ports of a slice; others are left out."""
    ports = []
    for port in service.spec.ports:
        number = _declared(port, workload)
        if number is None:
            name = f"port {port.name or port.port} of service {service.metadata.name}"
            odd(workload, name, f"no {port.protocol} port {_target(port)} is declared")
            continue
        ports.append(EndpointPort(port.name, number, port.protocol))
    return tuple(ports)


def _declared(port: ServicePort, workload: ExternalWorkload) -> int | None:
    target = _target(port)
    for declared in workload.spec.ports:
        known = declared.name if isinstance(target, str) else declared.port
        if known == target and declared.protocol == port.protocol:
            return declared.port
    return None


def _target(port: ServicePort) -> int | str:
    return port.port if port.target_port is None else port.target_port


def endpoint_of(
    service: Service, workload: ExternalWorkload, family: str, odd: Odd
) -> Endpoint | None:
    """The workload as an endpoint; None when it has no address of that family."""
    addresses = _addresses(workload, family, odd)
    if not addresses:
        return None
    metadata = workload.metadata
    return Endpoint(
        addresses=addresses,
        conditions=EndpointConditions(workload.ready, workload.ready, terminating=False),
        hostname=_hostname(service, workload, odd),
        zone=metadata.labels.get(TOPOLOGY_ZONE),
        target_ref=TargetRef(
            kind="ExternalWorkload",
            name=metadata.name,
            namespace=metadata.namespace,
            uid=metadata.uid,
        ),
    )


def _hostname(service: Service, workload: ExternalWorkload, odd: Odd) -> str | None:
    name = workload.metadata.name
    if not is_headless(service) or workload.metadata.namespace != service.metadata.namespace:
        return None
    if not _LABEL.fullmatch(name):
        odd(workload, "name", "it is no DNS label, so headless services cannot use it as hostname")
        return None
    return name


def _addresses(workload: ExternalWorkload, family: str, odd: Odd) -> tuple[str, ...]:
    """Its addresses of a family, canonical, each once, in their order."""
    found: dict[str, None] = {}
    for item in workload.spec.workload_ips:
        known = _usable(item.ip)
        if known is None:
            odd(workload, "workloadIPs", f"{item.ip[:100]!r} is no address that others can reach")
        elif known[0] == family:
            found[known[1]] = None
    return tuple(found)


@lru_cache(maxsize=16_384)
def _usable(text: str) -> tuple[str, str] | None:
    """Family and canonical text of an address that the API server takes in a slice. Remembered:
    it is most of what a plan costs."""
    try:
        ip = ip_address(text)
    except ValueError:
        return None
    if isinstance(ip, IPv6Address):
        if ip.scope_id:
            return None
        ip = ip.ipv4_mapped or ip
    if ip.is_unspecified or ip.is_loopback or ip.is_link_local or _is_local_group(ip):
        return None
    return IPV4 if isinstance(ip, IPv4Address) else IPV6, str(ip)


def _is_local_group(ip: IPv4Address | IPv6Address) -> bool:
    """Whether it is a multicast address of the local link."""
    first, second = ip.packed[:2]
    if isinstance(ip, IPv4Address):
        return ip.packed[:3] == bytes((224, 0, 0))
    return first == 0xFF and second & 0x0F == 2  # the scope of a link
