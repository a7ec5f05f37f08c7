"""How it stands with objects that routes and policies refer to."""

from collections.abc import Iterable
from enum import Enum
from typing import Final

from linkerd.kube.objects import EgressNetwork, Service
from linkerd.policy.egress_networks import judge_egress_network
from linkerd.policy.networks import Network, contains, overlap

_EXTERNAL: Final = "ExternalName"


class Standing(Enum):
    """Of an object that is there, or not."""

    READY = "ready"
    UNFIT = "unfit"
    """It can be no parent: a Service without an IP of its own, an EgressNetwork that has addresses
    of the cluster."""
    MISSING = "missing"
    """It is not there, or means nothing."""


def standing_of_service(service: Service) -> Standing:
    """Headless and external ones have no IP that proxies could know them by."""
    spec = service.spec
    return Standing.READY if spec.ips and spec.type != _EXTERNAL else Standing.UNFIT


def standing_of_egress_network(network: EgressNetwork, cluster: Iterable[Network]) -> Standing:
    """One that names no networks is fit: it is all that is outside of the cluster."""
    networks = judge_egress_network(network)[0].networks or ()
    meets = any(_meet(one, other) for one in networks for other in cluster)
    return Standing.UNFIT if meets else Standing.READY


def _meet(one: Network, other: Network) -> bool:
    """Whether they have an address in common."""
    if not overlap(one.block, other.block):
        return False
    common = other.block if contains(one.block, other.block) else one.block
    return Network(common, (*one.excluded, *other.excluded)).size > 0
