"""What an address is, for a client of some namespace."""

from dataclasses import dataclass
from ipaddress import ip_address

from linkerd.index import Subject
from linkerd.kube.objects import Key
from linkerd.policy.references import EGRESS_NETWORK, SERVICE, GroupKind
from services.policy.index.outbound import subjects as on
from services.policy.index.outbound.egress import find_egress_network
from services.policy.index.outbound.errors import UnknownTargetError
from services.policy.index.outbound.filing import OutboundTables
from services.policy.model.mesh_settings import MeshSettings


@dataclass(frozen=True, slots=True)
class Parent:
    """A port of a Service or an EgressNetwork; `ip` is the address that was asked for, where
    traffic goes if no route sends it elsewhere (of an EgressNetwork; else empty)."""

    kind: GroupKind
    key: Key
    port: int
    ip: str = ""


@dataclass(frozen=True, slots=True)
class UndefinedPort:
    """A port that a Service does not have."""

    service: Key
    port: int


@dataclass(frozen=True, slots=True)
class External:
    """An address outside the cluster that is no EgressNetwork's."""

    ip: str
    port: int


Target = Parent | UndefinedPort | External


def find_target(
    mesh: MeshSettings,
    tables: OutboundTables,
    source: str,
    ip: str,
    port: int,
    subjects: set[Subject],
) -> Target:
    """What an IP (canonical) and port are for a client in the namespace `source`. Adds what this
    comes from to `subjects`, whatever happens. Raises UnknownTargetError."""
    subjects.add(on.address(ip))
    services = tables.services_by_ip.get(ip)
    if services:
        service = min(services)  # one, but for a moment when a Service takes over from another
        subjects.add(on.ports(*service))
        declared = any(each.port == port for each in tables.services[service].spec.ports)
        return Parent(SERVICE, service, port) if declared else UndefinedPort(service, port)
    subjects |= {on.egress_networks(source), on.egress_networks(mesh.egress_namespace)}
    network = find_egress_network(tables.egress_networks_for(source, mesh.egress_namespace), ip)
    if network is not None:
        return Parent(EGRESS_NETWORK, network, port, ip)
    address = ip_address(ip)
    if any(address in each for each in mesh.cluster_networks):
        raise UnknownTargetError(f"addr: no Service has {ip}, which is of the cluster's networks")
    return External(ip, port)
