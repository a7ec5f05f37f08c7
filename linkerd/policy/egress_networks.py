"""EgressNetworks: destinations outside the cluster, and whether traffic goes there."""

from dataclasses import dataclass
from enum import StrEnum

from linkerd.policy.networks import Network


class TrafficPolicy(StrEnum):
    """Whether traffic that no route speaks of goes on."""

    ALLOW = "Allow"
    DENY = "Deny"


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """`networks` is None where the object names none: then all that are not the cluster's."""

    traffic: TrafficPolicy
    networks: tuple[Network, ...] | None
