"""The endpoints that one audience of an authority sees: the state of a `Get` topic."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import chain, count
from typing import Final

from linkerd.mesh.addresses import Socket
from services.destination.model.address import Address, Labels

LOCAL: Final = "local"
REMOTE: Final = "remote"
UNKNOWN: Final = "unknown"

_serials: Final = count(1)


def locality(zone: str, address: Address) -> str:
    """Whether `address` is in the zone of those who ask, as the label `zone_locality` says it."""
    if not zone or not address.zone:
        return UNKNOWN
    return LOCAL if zone == address.zone else REMOTE


class EndpointSet:
    """The endpoints of one origin by socket, immutable.

    A set made by `successor` knows which sockets may differ from the set before it, so that going
    from one version to the next costs what changed, not the size of the set. It names its
    predecessor by serial instead of holding it, so old versions live only while a reader holds
    them. Sets compare by identity: whoever makes a new one knows that something changed.
    """

    __slots__ = ("_before", "_touched", "addresses", "labels", "memo", "origin", "serial", "zone")

    def __init__(
        self,
        addresses: Mapping[Socket, Address],
        labels: Labels = (),
        zone: str = "",
        *,
        origin: Hashable = None,
        before: "EndpointSet | None" = None,
        touched: Sequence[Socket] = (),
    ) -> None:
        self.addresses = addresses
        self.labels = labels
        self.zone = zone  # of those who ask: it decides each endpoint's locality
        self.origin = origin  # what tells it from other sets that a reader has at the same time
        self.serial = next(_serials)
        self.memo: dict[int, tuple[bytes, ...]] = {}  # room for encoders, by a reader's serial
        self._before = before.serial if before is not None else 0
        self._touched = touched

    def successor(
        self, addresses: Mapping[Socket, Address], touched: Sequence[Socket]
    ) -> "EndpointSet":
        """This set after a change: `addresses` now, different from before at `touched` at most."""
        return EndpointSet(
            addresses, self.labels, self.zone, origin=self.origin, before=self, touched=touched
        )

    def since(self, last: "EndpointSet") -> tuple[list[Address], list[Address]]:
        """What a reader of `last` lacks: addresses that are new or look different, and addresses
        (as they were) that are gone."""
        then, now = last.addresses, self.addresses
        added, gone = [], []
        for socket in self.differing(last):
            new, old = now.get(socket), then.get(socket)
            if new is None:
                gone += [old] if old is not None else []
            elif old is None or not self.tells_the_same(new, last, old):
                added.append(new)
        return added, gone

    def differing(self, last: "EndpointSet") -> Iterable[Socket]:
        """The sockets at which `last` may differ."""
        if self._before == last.serial:
            return self._touched
        return chain(self.addresses, (at for at in last.addresses if at not in self.addresses))

    def tells_the_same(self, new: Address, last: "EndpointSet", old: Address) -> bool:
        """Whether a reader hears the same of `new`, of this set, as of `old`, of `last`."""
        return (
            self.labels == last.labels
            and new.looks_like(old)
            and (self.zone == last.zone or locality(self.zone, new) == locality(last.zone, old))
        )


Endpoints = tuple[EndpointSet, ...]
"""All that an audience sees: the sets of its origins, each origin once. Of a socket that several
sets have, the first one's address counts."""


def differences(
    last: Endpoints, current: Endpoints
) -> tuple[list[tuple[EndpointSet, list[Address]]], list[Address]]:
    """What a reader of `last` lacks: addresses that are new or described otherwise, by the set
    that they are of, and addresses (as they were) that are gone."""
    added: dict[EndpointSet, list[Address]] = {}
    gone = []
    for socket in _touched(last, current):
        was, now = _first(last, socket), _first(current, socket)
        if now is None:
            gone += [was[1]] if was is not None else []
        elif was is None or not _same(was, now):
            added.setdefault(now[0], []).append(now[1])
    return [(part, added[part]) for part in current if part in added], gone


def _touched(last: Endpoints, current: Endpoints) -> Mapping[Socket, None]:
    """The sockets at which two states may differ."""
    touched: dict[Socket, None] = {}
    before = {part.origin: part for part in last}
    for part in current:
        known = before.pop(part.origin, None)
        if known is not part:
            touched.update(dict.fromkeys(part.differing(known) if known else part.addresses))
    for part in before.values():
        touched.update(dict.fromkeys(part.addresses))
    return touched


def _first(state: Endpoints, socket: Socket) -> tuple[EndpointSet, Address] | None:
    for part in state:
        address = part.addresses.get(socket)
        if address is not None:
            return part, address
    return None


def _same(was: tuple[EndpointSet, Address], now: tuple[EndpointSet, Address]) -> bool:
    return now[0].tells_the_same(now[1], *was)
