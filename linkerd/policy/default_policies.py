"""Default policies: what a port allows that nobody made an authorization for, by one name."""

from collections.abc import Sequence
from enum import StrEnum

from linkerd.policy.authorizations import (
    ANY_MESH_TLS,
    UNAUTHENTICATED,
    Authorization,
)
from linkerd.policy.errors import shown
from linkerd.policy.networks import ALL_NETWORKS, Network


class DefaultPolicy(StrEnum):
    """The names, as flags, annotations and Servers' `accessPolicy` have them."""

    ALL_UNAUTHENTICATED = "all-unauthenticated"
    ALL_AUTHENTICATED = "all-authenticated"
    CLUSTER_UNAUTHENTICATED = "cluster-unauthenticated"
    CLUSTER_AUTHENTICATED = "cluster-authenticated"
    DENY = "deny"
    AUDIT = "audit"
    """Allows all, and has proxies log what `deny` would not have allowed."""

    @property
    def authenticated(self) -> "DefaultPolicy":
        """The same for clients with an identity of the mesh only: what a port has that requires
        one."""
        match self:
            case DefaultPolicy.ALL_UNAUTHENTICATED:
                return DefaultPolicy.ALL_AUTHENTICATED
            case DefaultPolicy.CLUSTER_UNAUTHENTICATED:
                return DefaultPolicy.CLUSTER_AUTHENTICATED
            case _:
                return self

    def authorization(self, cluster_networks: Sequence[Network]) -> Authorization | None:
        """What it allows; None when nothing."""
        match self:
            case DefaultPolicy.DENY:
                return None
            case DefaultPolicy.ALL_UNAUTHENTICATED | DefaultPolicy.AUDIT:
                return Authorization(ALL_NETWORKS, UNAUTHENTICATED)
            case DefaultPolicy.ALL_AUTHENTICATED:
                return Authorization(ALL_NETWORKS, ANY_MESH_TLS)
            case DefaultPolicy.CLUSTER_UNAUTHENTICATED:
                return Authorization(tuple(cluster_networks), UNAUTHENTICATED)
            case DefaultPolicy.CLUSTER_AUTHENTICATED:
                return Authorization(tuple(cluster_networks), ANY_MESH_TLS)


def parse_default_policy(text: str) -> DefaultPolicy:
    """The policy of that name. Raises ValueError, which lists them."""
    try:
        return DefaultPolicy(text)
    except ValueError:
        raise ValueError(f"{shown(text)} is none of {', '.join(DefaultPolicy)}") from None
