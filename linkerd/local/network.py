"""The networks of a node, and what of them the host sees.

A node lives in a network namespace of its own. One link (a veth pair) joins it to the host, and the
host has a route to the pods and one to the Services through it. So the host reaches every pod IP
and every ClusterIP, nothing in the node listens on an interface of the host, and all of it is gone
when the namespace is, however it ended. The host keeps only three firewall rules that let pods
reach the outside; they carry the cluster's id in a comment and are removed by it. Rules whose
cluster has no link any more, because it was killed and its files deleted, go when the next one
comes up.
"""

import json
from collections.abc import Iterable
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Any, Final

from linkerd.local.errors import AddressError
from linkerd.local.host import LINK_PREFIX
from linkerd.local.state import Network
from linkerd.local.system import run

# What people know from other clusters first. All are within the cluster networks that Linkerd's
# proxies take for granted.
_CANDIDATES: Final = (
    *((f"10.{244 + number}", f"10.{96 + number}") for number in range(6)),
    ("172.28", "172.29"),
    ("172.30", "172.31"),
    ("100.100", "100.101"),
)
_HALVES: Final = 1  # a VPN takes the place of the default route with two routes this wide
_TABLES: Final = ("nat", "filter")
_COMMENT: Final = "linkerd-local-"


def choose_network(existing: Iterable[IPv4Network]) -> Network:
    """The first of some usual ranges that overlaps none of `existing`. Raises AddressError."""
    taken = list(existing)
    for cluster, services in _CANDIDATES:
        network = _network(cluster, services)
        if not collisions(network, taken):
            return network
    tried = ", ".join(
        f"{cluster}.0.0/16 with {services}.0.0/16" for cluster, services in _CANDIDATES
    )
    raise AddressError(
        f"every pair of address ranges for pods and Services collides with a network of this "
        f"machine (tried: {tried}); leave a VPN, or use `linkerd local up --api-only`, which needs "
        f"none"
    )


def _network(cluster: str, services: str) -> Network:
    return Network(
        cluster=f"{cluster}.0.0/16",
        pods=f"{cluster}.0.0/17",
        services=f"{services}.0.0/16",
        host_address=f"{cluster}.255.1",
        node_address=f"{cluster}.255.2",
    )


def collisions(network: Network, existing: Iterable[IPv4Network]) -> list[IPv4Network]:
    """Those of `existing` that overlap with the ranges of `network`."""
    ours = (IPv4Network(network.cluster), IPv4Network(network.services))
    return [other for other in existing if any(other.overlaps(mine) for mine in ours)]


def host_networks() -> list[IPv4Network]:
    """Every IPv4 range that this machine has an address in or a route to, but the default one."""
    addresses = [
        f"{entry['local']}/{entry['prefixlen']}"
        for link in _ip_json("address")
        for entry in link["addr_info"]
    ]
    routes = [r["dst"] for r in _ip_json("route", "show", "table", "all", "type", "unicast")]
    found = [ip_network(text, strict=False) for text in (*addresses, *routes) if text != "default"]
    return [n for n in found if isinstance(n, IPv4Network) and n.prefixlen > _HALVES]


def _ip_json(*arguments: str) -> list[dict[str, Any]]:
    return list(json.loads(run("ip", "-json", "-4", *arguments) or "[]"))


class Link:
    """The host's side of one cluster's link. `identity` is the cluster's id."""

    def __init__(self, identity: str, network: Network) -> None:
        self._network = network
        self._comment = f"{_COMMENT}{identity}"
        self.name = f"{LINK_PREFIX}{identity}"

    def connect(self, namespace_pid: int) -> None:
        """Join the host and the namespace of that process; set routes and rules of the host."""
        _remove_rules_of_the_dead()
        network = self._network
        peer = ("peer", "name", "eth0", "netns", str(namespace_pid))
        run("ip", "link", "add", self.name, "type", "veth", *peer)
        run("ip", "address", "add", f"{network.host_address}/30", "dev", self.name)
        run("ip", "link", "set", self.name, "up")
        for target in (network.cluster, network.services):
            run("ip", "route", "add", target, "via", network.node_address, "dev", self.name)
        self._open_the_way_out()

    def inside(self) -> str:
        """Shell commands that set up the other end, for inside the namespace."""
        network = self._network
        # A Service that kube-proxy does not know (yet) would be sent out, and back in, until its
        # packets die of age; its callers are better told at once.
        refusals = (
            f"iptables -w -A {chain} -d {network.services} {match}"
            for chain in ("FORWARD", "OUTPUT")
            for match in ("-p tcp -j REJECT --reject-with tcp-reset", "-j REJECT")
        )
        return "\n".join(
            (
                *refusals,
                "ip link set lo up",
                f"ip address add {network.node_address}/30 dev eth0",
                "ip link set eth0 up",
                f"ip route add default via {network.host_address}",
                "echo 1 > /proc/sys/net/ipv4/ip_forward",
            )
        )

    def remove(self) -> None:
        """Take away what `connect` made on the host, as far as it is there."""
        if _exists(self.name):
            run("ip", "link", "delete", self.name, check=False)
        _remove_rules(self._comment)

    def _open_the_way_out(self) -> None:
        cluster, comment = self._network.cluster, ("-m", "comment", "--comment", self._comment)
        outside = ("-s", cluster, "!", "-d", cluster)
        run(
            "iptables",
            "-w",
            "-t",
            "nat",
            "-A",
            "POSTROUTING",
            *outside,
            *comment,
            "-j",
            "MASQUERADE",
        )
        for side in ("-s", "-d"):
            run("iptables", "-w", "-I", "FORWARD", side, cluster, *comment, "-j", "ACCEPT")


def _exists(link: str) -> bool:
    return Path(f"/sys/class/net/{link}").exists()


def _remove_rules_of_the_dead() -> None:
    for table in _TABLES:
        for identity in identities_in(run("iptables-save", "-t", table, check=False)):
            if not _exists(f"{LINK_PREFIX}{identity}"):
                _remove_rules(f"{_COMMENT}{identity}")


def _remove_rules(comment: str) -> None:
    for table in _TABLES:
        for rule in rules_with_comment(run("iptables-save", "-t", table, check=False), comment):
            run("iptables", "-w", "-t", table, "-D", *rule, check=False)


def identities_in(saved: str) -> set[str]:
    """The ids of the clusters that have rules in the output of iptables-save."""
    words = (word.strip('"') for line in saved.splitlines() for word in line.split())
    return {word.removeprefix(_COMMENT) for word in words if word.startswith(_COMMENT)}


def rules_with_comment(saved: str, comment: str) -> list[list[str]]:
    """The rules in the output of iptables-save that carry `comment`, without their `-A`."""
    lines = (line.split() for line in saved.splitlines() if line.startswith("-A "))
    return [
        [word.strip('"') for word in words[1:]]
        for words in lines
        if comment in (word.strip('"') for word in words)
    ]
