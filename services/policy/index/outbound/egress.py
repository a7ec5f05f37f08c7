"""Which EgressNetwork an address belongs to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from linkerd.kube.objects import Key
from linkerd.policy.networks import ALL_NETWORKS, Address, Network


@dataclass(frozen=True, slots=True)
class EgressAddresses:
    """The addresses of an EgressNetwork, and what settles whose an address is if several have
    it."""

    key: Key
    created: str
    networks: tuple[Network, ...]

    def rank(self, address: Address) -> "tuple[int, str, Key] | None":
        """The lower, the rather is `address` its own: by the size of the smallest of its networks
        that has it, then by age, then by name. None if it has it not."""
        sizes = [network.size for network in self.networks if address in network]
        return (min(sizes), self.created or _NEVER, self.key) if sizes else None


_NEVER: Final = "~"  # sorts behind all times


def outside(cluster_networks: Iterable[Network]) -> tuple[Network, ...]:
    """All addresses but the cluster's."""
    blocks = [network.block for network in cluster_networks]
    return tuple(
        Network(every.block, tuple(each for each in blocks if each.version == every.block.version))
        for every in ALL_NETWORKS
    )


def find_egress_network(known: Mapping[Key, EgressAddresses], ip: str) -> Key | None:
    """The EgressNetwork that an IP (canonical) is of."""
    address = ip_address(ip)
    ranks = [rank for each in known.values() if (rank := each.rank(address)) is not None]
    return min(ranks)[-1] if ranks else None
