"""Whom a port's endpoints are for: filters by hostname, node, zone and address family.

Audiences with one filter share one endpoint set, and a filter that holds nothing back shares the
port's own table, so the usual case costs what changed. Those who ask for a hostname, or for what is
on their node, share the table of that hostname or node: however many these are, a change costs
those alone whose table it is in. Zones and families are few.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from typing import Any, NamedTuple

from linkerd.mesh.addresses import Socket
from services.destination.model.address import Address, Labels
from services.destination.model.endpoints import EndpointSet

Addresses = Mapping[Socket, Address]


class Audience(NamedTuple):
    """Who asks: for which pod of a service (or any, if empty), and from which node."""

    hostname: str = ""
    node: str = ""


class Step(Enum):
    """By what addresses are held back."""

    HOSTNAME = "hostname"
    NODE = "node"
    ZONE = "zone"
    FAMILY = "family"


@dataclass(frozen=True, slots=True)
class Filter:
    """What an audience may see. `node` is None unless the service keeps traffic on the node;
    `zone` is where the audience is, empty if unknown; `hints` says whether zone hints count, which
    those of another cluster do not."""

    hostname: str = ""
    zone: str = ""
    node: str | None = None
    ipv6: bool = True
    hints: bool = True

    @property
    def pool(self) -> "Pool":
        """The table that holds all that it may let through."""
        return Pool(self.hostname, self.node)

    def select(self, addresses: Addresses) -> Addresses:
        """The part of `addresses` that the audience sees: by hostname; then by node, or else by
        zone as far as every endpoint is hinted; then one family for each pod."""
        for _, found in self.steps(addresses):
            addresses = found
        return addresses

    def steps(self, addresses: Addresses) -> Iterator[tuple[Step, Addresses]]:
        """Each step that there is, and what is left after it."""
        found = addresses
        if self.hostname:
            found = {at: a for at, a in found.items() if a.hostname == self.hostname}
            yield Step.HOSTNAME, found
        if self.node is not None:
            found = {at: a for at, a in found.items() if a.pod and a.node and a.node == self.node}
            yield Step.NODE, found
        elif self.hints and found and all(a.zone_hints for a in found.values()):
            found = {at: a for at, a in found.items() if self.zone in a.zone_hints} or found
            yield Step.ZONE, found
        yield Step.FAMILY, self._one_family(found)

    def _one_family(self, addresses: Addresses) -> Addresses:
        pods = {a.pod for a in addresses.values() if a.pod is not None and a.is_ipv6}
        if not pods:
            return addresses
        if not self.ipv6:
            return {at: a for at, a in addresses.items() if a.pod is None or not a.is_ipv6}
        return {at: a for at, a in addresses.items() if a.is_ipv6 or a.pod not in pods}


class Pool(NamedTuple):
    """A part of a port's endpoints: those of a hostname (of any, if empty) and on a node (on any,
    if None)."""

    hostname: str = ""
    node: str | None = None


class Pools:
    """The endpoints of a port by hostname and by node. Each table is made when it is first asked
    for, and kept up change by change."""

    __slots__ = ("_by_hostname", "_by_node")

    def __init__(self) -> None:
        self._by_hostname: dict[str, dict[Socket, Address]] | None = None
        self._by_node: dict[str, dict[Socket, Address]] | None = None

    def at(self, pool: Pool, addresses: Addresses) -> Addresses:
        """What is in a pool, and perhaps more; `addresses` is the whole port."""
        if pool.hostname:
            if self._by_hostname is None:
                self._by_hostname = {}
                _file(self._by_hostname, ((a.hostname, a) for a in addresses.values()))
            return self._by_hostname.get(pool.hostname, {})
        if pool.node is not None:
            if self._by_node is None:
                self._by_node = {}
                _file(self._by_node, ((a.node, a) for a in addresses.values()))
            return self._by_node.get(pool.node, {})
        return addresses

    def update(self, before: Addresses, now: Addresses, touched: Sequence[Socket]) -> set[Pool]:
        """The port has changed at `touched`; the pools that this concerns."""
        if self._by_hostname is None and self._by_node is None:
            return {Pool()}  # nobody has asked for another
        gone = [old for at in touched if (old := before.get(at)) is not None]
        come = [new for at in touched if (new := now.get(at)) is not None]
        if self._by_hostname is not None:
            _unfile(self._by_hostname, ((a.hostname, a) for a in gone))
            _file(self._by_hostname, ((a.hostname, a) for a in come))
        if self._by_node is not None:
            _unfile(self._by_node, ((a.node, a) for a in gone))
            _file(self._by_node, ((a.node, a) for a in come))
        places = {(address.hostname, address.node) for address in (*gone, *come)}
        return {
            Pool(hostname, node)
            for its_hostname, its_node in places
            for hostname in ("", its_hostname)
            for node in (None, its_node)
        }


def _file(
    table: dict[str, dict[Socket, Address]], addresses: Iterable[tuple[str, Address]]
) -> None:
    for name, address in addresses:
        if name:
            table.setdefault(name, {})[address.socket] = address


def _unfile(
    table: dict[str, dict[Socket, Address]], addresses: Iterable[tuple[str, Address]]
) -> None:
    for name, address in addresses:
        if name:
            del table[name][address.socket]
            if not table[name]:
                del table[name]


@dataclass(slots=True)
class Census:
    """How many addresses of a port could be held back, kept up change by change."""

    unhinted: int = 0
    pods_ipv6: int = 0
    pods_ipv4: int = 0

    def count(self, address: Address | None, by: int) -> None:
        """Counts an address in (1) or out (-1)."""
        if address is None:
            return
        if not address.zone_hints:
            self.unhinted += by
        if address.pod is None:
            return
        if address.is_ipv6:
            self.pods_ipv6 += by
        else:
            self.pods_ipv4 += by

    def all_pass(self, only: Filter) -> bool:
        """Whether `only` certainly holds nothing back."""
        if only.hostname or only.node is not None or (only.hints and not self.unhinted):
            return False
        return not self.pods_ipv6 or (only.ipv6 and not self.pods_ipv4)


class Selection:
    """The endpoint set that a filter makes of a port, from version to version, and who uses it.
    `addresses` is always what the filter's pool holds."""

    __slots__ = ("_shares", "current", "only", "users")

    def __init__(
        self,
        only: Filter,
        addresses: Addresses,
        labels: Labels,
        census: Census,
        origin: Hashable = None,
    ) -> None:
        self.only = only
        self.users: dict[Any, None] = {}
        self._shares = census.all_pass(only)
        seen = addresses if self._shares else only.select(addresses)
        self.current = EndpointSet(seen, labels, only.zone, origin=origin)

    def update(
        self, addresses: Addresses, touched: Sequence[Socket], labels: Labels, census: Census
    ) -> bool:
        """The port has changed at `touched` at most; whether the endpoint set is another now."""
        before, shared = self.current, self._shares
        self._shares = not addresses or census.all_pass(self.only)
        if shared and self._shares and labels == before.labels:
            if touched:
                self._advance(addresses, touched)
        else:
            seen = addresses if self._shares else self.only.select(addresses)
            if labels != before.labels:
                self._become(EndpointSet(seen, labels, self.only.zone, origin=before.origin))
            elif changed := differences(before.addresses, seen):
                self._advance(seen, changed)
        return self.current is not before

    def _advance(self, addresses: Addresses, touched: Sequence[Socket]) -> None:
        self._become(self.current.successor(addresses, touched))

    def _become(self, now: EndpointSet) -> None:
        self.current.memo.clear()  # nobody will be taken to it any more
        self.current = now


def differences(
    before: Addresses, now: Addresses, sockets: Iterable[Socket] | None = None
) -> list[Socket]:
    """The sockets, of these or else of all, at which two tables differ."""
    if sockets is None:
        sockets = chain(now, (at for at in before if at not in now))
    return [
        at for at in sockets if (old := before.get(at)) is not (new := now.get(at)) and old != new
    ]
