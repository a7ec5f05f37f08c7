"""What clients are to be told, worked out from all objects at once: a second opinion, which shares
nothing with the index but the objects. It speaks of a policy in short; `outbound_summary` says the
same of a message.

It knows what `outbound_objects` makes, no more.
"""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Any, Final

from services.policy.index.kinds import Kind
from tests.support.indexes.stored import Cluster
from tests.support.policy.outbound_objects import ROUTES, SHARED
from tests.support.policy.outbound_parent_model import OPAQUE, STREAM, ParentModel

Query = tuple[str, str, int]
"""The client's namespace, an IP or NAMESPACE/NAME of a Service, and the port."""

Name = tuple[str, str]

_CLUSTER: Final = ip_network("10.0.0.0/8")
_OUTSIDE: Final = [(ip_network("0.0.0.0/0"), [_CLUSTER]), (ip_network("::/0"), [])]
_NO_LIMITS: Final = ((None, None, None), 0)


def answer(cluster: Cluster, query: Query) -> Any:
    """The summary of what a client is told."""
    source, where, port = query
    return _Model(cluster, source, port).answer(where)


class _Model:
    def __init__(self, cluster: Cluster, source: str, port: int) -> None:
        def known(kind: Kind) -> dict[Name, Any]:
            return {
                (key.namespace, key.name): each
                for key, each in cluster.stored[kind].objects.items()
            }

        self.services = known(Kind.SERVICE)
        self.networks = known(Kind.EGRESS_NETWORK)
        self.routes = [(kind, each) for kind in ROUTES for each in known(kind).values()]
        self.source = source
        self.port = port

    def answer(self, where: str) -> Any:
        if "/" in where:
            namespace, _, name = where.partition("/")
            return self.policy("Service", (namespace, name), "")
        owners = sorted(k for k, each in self.services.items() if where in each.spec.cluster_ips)
        if owners:
            ports = [each.port for each in self.services[owners[0]].spec.ports]
            if self.port in ports:
                return self.policy("Service", owners[0], "")
            refused: Any = ("undefined-port", (), [(True, "empty", [], *STREAM)])
            return self.told(self.name("Service", owners[0]), "opaque", [], refused)
        network = self.network_of(where)
        if network is not None:
            return self.policy("EgressNetwork", network, where)
        if ip_address(where) in _CLUSTER:
            return "not found"
        name, backends = "egress-fallback", [(f"forward {where}", 1)]
        stream = (name, (), [(False, "first", backends, *STREAM)])
        if self.port == OPAQUE:
            return self.told(name, "opaque", [], stream)
        http = (name, (), [(False, "first", backends, *_NO_LIMITS)])
        return self.told(name, "detect", [http], stream)

    def network_of(self, ip: str) -> Name | None:
        """The EgressNetwork that an address is of."""
        address = ip_address(ip)
        found = []
        for namespace in (self.source, SHARED):
            for key, network in self.networks.items():
                sizes = [
                    block.num_addresses - sum(each.num_addresses for each in but)
                    for block, but in _blocks(network)
                    if address in block and not any(address in each for each in but)
                ]
                if key[0] == namespace and sizes:
                    created = network.metadata.creation_timestamp or "never"
                    found.append((min(sizes), created, key))
            own = (network for key, network in self.networks.items() if key[0] == namespace)
            if any(not network.spec.networks or _blocks(network) for network in own):
                break
        return min(found)[-1] if found else None

    def policy(self, kind: str, key: Name, ip: str) -> Any:
        parent = self.services.get(key) if kind == "Service" else self.networks.get(key)
        notes = parent.metadata.annotations if parent is not None else {}
        return ParentModel(self, kind, key, ip, parent, notes).told()

    def name(self, kind: str, key: Name) -> str:
        return f"{kind} {key[0]}/{key[1]}:{self.port}"

    def told(
        self, name: str, protocol: str, routes: list[Any], stream: Any, breaks: bool = False
    ) -> Any:
        return {
            "name": name,
            "protocol": protocol,
            "routes": routes,
            "stream": stream,
            "breaks": breaks,
        }


def _blocks(network: Any) -> Sequence[tuple[Any, Any]]:
    if network.spec.networks is None:
        return _OUTSIDE
    return [
        (ip_network(each.cidr), [ip_network(but) for but in each.except_])
        for each in network.spec.networks
        if each.cidr != "oops"
    ]
