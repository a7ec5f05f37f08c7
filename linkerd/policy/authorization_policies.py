"""AuthorizationPolicies: targets, and the authentications that their clients need, all of them."""

from dataclasses import dataclass
from typing import Literal

from linkerd.kube.objects import Key
from linkerd.policy.identities import Identity


@dataclass(frozen=True, slots=True)
class Target:
    """What is protected, in the policy's own namespace. For a `Namespace` the name is that."""

    kind: Literal["Server", "Namespace", "HTTPRoute", "GRPCRoute"]
    group: str
    name: str


@dataclass(frozen=True, slots=True)
class RequiredAuthentications:
    """`target` may be called by those who meet all of these: the MeshTLSAuthentication `mesh_tls`
    or the ServiceAccount's `identity` (never both), and the NetworkAuthentication `network`.
    Without any it may be called by anyone."""

    target: Target
    mesh_tls: Key | None = None
    identity: Identity | None = None
    network: Key | None = None
