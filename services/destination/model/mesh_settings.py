"""What this control plane is told about its mesh: the settings that shape answers."""

from dataclasses import dataclass

from linkerd.mesh.names import DEFAULT_DOMAIN, IdentityDomain
from linkerd.mesh.ports import NO_PORTS, PortSet


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshSettings:
    """Settings of the whole process. `identities` is where workloads' names live; endpoints of
    pods that belong to another control plane's namespace get no identity."""

    identities: IdentityDomain
    cluster_domain: str = DEFAULT_DOMAIN
    opaque_ports: PortSet = NO_PORTS  # of workloads and services without an annotation
    h2_upgrade: bool = True
    transport_header: bool = False  # meshed endpoints are reached through their proxy's port
    ipv6: bool = True
