"""EgressNetworks: destinations outside the cluster, and whether traffic goes there."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from linkerd.kube.objects import EgressNetwork
from linkerd.policy.errors import PolicyError, shown
from linkerd.policy.networks import Network, read_networks

_NETWORKS: Final = "spec.networks"


class TrafficPolicy(StrEnum):
    """Whether traffic that no route speaks of goes on."""

    ALLOW = "Allow"
    DENY = "Deny"


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """`networks` is None where the object names none: then all that are not the cluster's."""

    traffic: TrafficPolicy
    networks: tuple[Network, ...] | None


def judge_egress_network(network: EgressNetwork) -> tuple[EgressPolicy, list[PolicyError]]:
    """What it says, and its faults. What can be read stands, so that no fault opens what the rest
    closes; a traffic policy that is none denies."""
    spec = network.spec
    networks, faults = read_networks(spec.networks or (), _NETWORKS)
    if spec.networks is not None and not spec.networks:
        problem = "must have at least one network; without the field it is all outside the cluster"
        faults.append(PolicyError(_NETWORKS, problem))
    traffic = TrafficPolicy.DENY
    try:
        traffic = TrafficPolicy(spec.traffic_policy)
    except ValueError:
        problem = f"{shown(spec.traffic_policy)} is none of {', '.join(TrafficPolicy)}"
        faults.append(PolicyError("spec.trafficPolicy", problem))
    return EgressPolicy(traffic, None if spec.networks is None else networks), faults
