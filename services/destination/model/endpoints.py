"""The endpoints that one audience of an authority sees: the state of a `Get` topic."""

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Final

from linkerd.mesh.addresses import Socket
from linkerd.streams import Told
from services.destination.model.address import Address, Labels

LOCAL: Final = "local"
REMOTE: Final = "remote"
UNKNOWN: Final = "unknown"

_serials: Final = count(1)
_STEPS: Final = 16  # that a set knows of those that led to it
_REMEMBERED: Final = 2_000  # sockets in all of them but the last

Step = tuple[int, Sequence[Socket]]
"""The serial of a set, and where the one after it differs at most."""


def locality(zone: str, address: Address) -> str:
    """Whether `address` is in the zone of those who ask, as the label `zone_locality` says it."""
    if not zone or not address.zone:
        return UNKNOWN
    return LOCAL if zone == address.zone else REMOTE


class EndpointSet:
    """The endpoints of one origin by socket, immutable.

    A set made by `successor` knows which sockets may differ from the last few sets before it, so
    that going from one version to another costs what changed, not the size of the set. It names its
    predecessors by serial instead of holding them, so old versions live only while a reader holds
    them. Sets compare by identity: whoever makes a new one knows that something changed.
    """

    __slots__ = (
        *("__weakref__", "_steps", "addresses", "labels", "memo", "origin", "serial", "zone"),
    )

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
        self.memo: dict[int, Told] = {}  # room for encoders, by a reader's serial
        self._steps = _recent(before, touched) if before is not None else ()

    def successor(
        self, addresses: Mapping[Socket, Address], touched: Sequence[Socket]
    ) -> "EndpointSet":
        """This set after a change: `addresses` now, different from before at `touched` at most."""
        return EndpointSet(
            addresses, self.labels, self.zone, origin=self.origin, before=self, touched=touched
        )

    def since(self, last: "EndpointSet") -> tuple[int, Iterator[Address], Iterator[Address]]:
        """What a reader of `last` lacks: addresses that are new or look different, and addresses
        (as they were) that are gone. Both are looked for while they are iterated; first is the
        number of sockets that have to be looked at."""
        sockets = self.differing(last)
        return len(sockets), self._added(sockets, last), self._gone(sockets, last)

    def differing(self, last: "EndpointSet") -> Collection[Socket]:
        """The sockets at which `last` may differ."""
        touched: dict[Socket, None] = {}
        for serial, sockets in self._steps:
            if serial == last.serial and not touched:  # most often
                return sockets
            touched.update(dict.fromkeys(sockets))
            if serial == last.serial:
                return touched
        return {**self.addresses, **last.addresses}

    def _added(self, sockets: Collection[Socket], last: "EndpointSet") -> Iterator[Address]:
        then, now = last.addresses, self.addresses
        alike = self.labels == last.labels and self.zone == last.zone
        known: Iterable[Socket] = sockets
        if len(now) < len(sockets):  # most may be gone, which must not take long to see
            known = filter(now.__contains__, sockets)
        for socket in known:
            new, old = now.get(socket), then.get(socket)
            if new is None or (alike and (new is old or (old and new.looks_like(old)))):
                continue
            if alike or old is None or not self.tells_the_same(new, last, old):
                yield new

    def _gone(self, sockets: Iterable[Socket], last: "EndpointSet") -> Iterator[Address]:
        then, now = last.addresses, self.addresses
        for socket in sockets:
            if socket not in now and (old := then.get(socket)) is not None:
                yield old

    def tells_the_same(self, new: Address, last: "EndpointSet", old: Address) -> bool:
        """Whether a reader hears the same of `new`, of this set, as of `old`, of `last`."""
        return (
            self.labels == last.labels
            and new.looks_like(old)
            and (self.zone == last.zone or locality(self.zone, new) == locality(last.zone, old))
        )


def _recent(before: EndpointSet, touched: Sequence[Socket]) -> tuple[Step, ...]:
    """The steps that led from the last few sets to the one after `before`, the newest first."""
    steps: list[Step] = [(before.serial, touched)]
    room = _REMEMBERED - len(touched)
    for step in before._steps[: _STEPS - 1]:  # noqa: SLF001  # its successor's business
        room -= len(step[1])
        if room < 0:
            break
        steps.append(step)
    return tuple(steps)


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
