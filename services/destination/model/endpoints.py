"""The set of endpoints that one audience of an authority sees: the state of a `Get` topic."""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Final

from services.destination.model.address import Address, Labels, Socket

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
    """Endpoints by socket, immutable.

    A set made by `successor` knows which sockets may differ from the set before it, so that going
    from one version to the next costs what changed, not the size of the set. It names its
    predecessor by serial instead of holding it, so old versions live only while a reader holds
    them. Sets compare by identity: whoever makes a new one knows that something changed.
    """

    __slots__ = ("_before", "_touched", "addresses", "labels", "memo", "serial", "zone")

    def __init__(
        self,
        addresses: Mapping[Socket, Address],
        labels: Labels = (),
        zone: str = "",
        *,
        before: "EndpointSet | None" = None,
        touched: Sequence[Socket] = (),
    ) -> None:
        self.addresses = addresses
        self.labels = labels
        self.zone = zone  # of those who ask: it decides each endpoint's locality
        self.serial = next(_serials)
        self.memo: dict[int, tuple[bytes, ...]] = {}  # room for encoders, by a reader's serial
        self._before = before.serial if before is not None else 0
        self._touched = touched

    def successor(
        self, addresses: Mapping[Socket, Address], touched: Sequence[Socket]
    ) -> "EndpointSet":
        """This set after a change: `addresses` now, different from before at `touched` at most."""
        return EndpointSet(addresses, self.labels, self.zone, before=self, touched=touched)

    def since(self, last: "EndpointSet") -> tuple[list[Address], list[Address]]:
        """What a reader of `last` lacks: addresses that are new or look different, and addresses
        (as they were) that are gone."""
        if self._before == last.serial:
            return self._at(self._touched, last)
        then, now = last.addresses, self.addresses
        added = [
            new
            for at, new in now.items()
            if (old := then.get(at)) is None or not self._looks_the_same(new, last, old)
        ]
        return added, [old for at, old in then.items() if at not in now]

    def _looks_the_same(self, new: Address, last: "EndpointSet", old: Address) -> bool:
        if self.labels != last.labels:
            return False
        same_zone = self.zone == last.zone
        return new.looks_like(old) and (
            same_zone or locality(self.zone, new) == locality(last.zone, old)
        )

    def _at(
        self, sockets: Sequence[Socket], last: "EndpointSet"
    ) -> tuple[list[Address], list[Address]]:
        """As `since`, looking at `sockets` only."""
        added, gone = [], []
        for socket in sockets:
            new, old = self.addresses.get(socket), last.addresses.get(socket)
            if new is None and old is not None:
                gone.append(old)
            elif new is not None and (old is None or not new.looks_like(old)):
                added.append(new)
        return added, gone
