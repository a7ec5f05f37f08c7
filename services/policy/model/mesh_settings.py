"""What the settings of the service say of the mesh."""

from dataclasses import dataclass

from linkerd.mesh.names import DEFAULT_DOMAIN, IdentityDomain
from linkerd.mesh.ports import NO_PORTS, PortSet
from linkerd.policy.default_policies import DefaultPolicy
from linkerd.policy.networks import Network


@dataclass(frozen=True, slots=True)
class MeshSettings:
    """`cluster_networks` are where the cluster's addresses are; `probe_networks` where kubelets
    call from, without which probes have no leave of their own. `opaque_ports` are those of services
    that do not say. EgressNetworks of `egress_namespace` are for all namespaces. With
    `request_headers` clients may set limits and retries of their requests by headers."""

    identities: IdentityDomain
    cluster_networks: tuple[Network, ...]
    cluster_domain: str = DEFAULT_DOMAIN
    default_policy: DefaultPolicy = DefaultPolicy.ALL_UNAUTHENTICATED
    probe_networks: tuple[Network, ...] = ()
    opaque_ports: PortSet = NO_PORTS
    egress_namespace: str = "linkerd-egress"
    request_headers: bool = False
