"""From one version of endpoint sets to another, as the messages of a `Get` stream.

Rules that proxies rely on: the first message of a stream is complete; never a Remove first; at
most one Add (later, for each origin of the endpoints), then at most one Remove; an endpoint whose
description changed is added again, without being removed. A fresh stream of an empty set is told
so, lest the proxy keep what an earlier stream told it, or wait until it gives up.

What is too big for one message is told in several. A proxy then lacks the rest for the moment
between the first and the last of them, where it would ask again without end for a message that it
cannot take.
"""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from msgspec.structs import replace

from linkerd.streams import Messages, Told
from linkerd.stubs.proxy import destination_pb2 as pb
from linkerd.wire.splice import submessage
from services.destination.model.address import Address
from services.destination.model.endpoints import (
    Endpoints,
    EndpointSet,
    differences,
    locality,
)
from services.destination.wire.addresses import AddressEncoder, removed

_ADD: Final = 1  # field numbers of Update
_REMOVE: Final = 2
_EMPTY: Final = pb.Update(no_endpoints=pb.NoEndpoints(exists=True)).SerializeToString()
_FRESH: Final = 0  # the serial of a reader that has nothing yet
_MAX_MEMO: Final = 64  # versions that readers of one set may have left
_MANY: Final = 1_000  # addresses that are told in messages which are encoded one by one
_MOST: Final = 1_000  # of them in one message, which is some 2 ms of work
_MAX_BYTES: Final = (4 << 20) - (64 << 10)  # of endpoints in a message; proxies take 4 MiB in all

Label = tuple[str, str]
Added = Sequence[tuple[EndpointSet, list[Address]]]
"""What is told anew, by the set that it is of."""


class EndpointDeltas:
    """The `delta` of topics of endpoints. Audiences of one zone share their sets, so what was
    encoded for one topic is remembered with the set and serves the others too. `max_bytes` is how
    much of endpoints goes into one message."""

    def __init__(self, encoder: AddressEncoder, *, max_bytes: int = _MAX_BYTES) -> None:
        self._encoder = encoder
        self._max_bytes = max_bytes

    def prepare(self, address: Address, zone: str) -> None:
        """Encodes `address`, for clients of `zone`, before it is told."""
        self._encoder.listed(address, locality(zone, address))

    def __call__(self, last: Endpoints | None, current: Endpoints) -> Told:
        """The encoded updates that take a reader from `last` to `current`."""
        if last is None:
            return self._first(current)
        if [part.origin for part in last] == [part.origin for part in current] and len(last) == 1:
            return self._remembered(last[0], current[0])
        added, gone = differences(last, current)
        size = _size(added) + len(gone)
        return _told(self._steps(added, gone), size)

    def _first(self, current: Endpoints) -> Told:
        if len(current) == 1 and current[0].addresses:
            return self._remembered(None, current[0])
        added, _ = differences((), current)
        return _told(self._whole(added), _size(added)) if added else (_EMPTY,)

    def _whole(self, added: Added) -> Iterator[bytes]:
        """One Add of all origins: a proxy drops what a stream's first Add does not have. Labels in
        which the origins differ are told with the addresses, which means the same."""
        common = set.intersection(*(set(part.labels) for part, _ in added))
        return self._adds(self._labelled(added, common), common)

    def _labelled(self, added: Added, common: AbstractSet[Label]) -> Iterator[bytes]:
        for part, addresses in added:
            own = tuple(label for label in part.labels if label not in common)
            for address in addresses:
                labelled = replace(address, labels=(*own, *address.labels), memo={})
                yield self._encoder.listed(labelled, locality(part.zone, address))

    def _remembered(self, last: EndpointSet | None, current: EndpointSet) -> Told:
        serial = last.serial if last is not None else _FRESH
        messages = current.memo.get(serial)
        if messages is None:
            if len(current.memo) >= _MAX_MEMO:
                current.memo.clear()
            size, added, gone = _lacked(last, current)
            messages = _told(self._steps([(current, added)], gone), size)
            current.memo[serial] = messages
        return messages

    def _steps(
        self, added: Iterable[tuple[EndpointSet, Iterable[Address]]], gone: Iterable[Address]
    ) -> Iterator[bytes]:
        for part, addresses in added:
            yield from self._listed(part, addresses)
        for parcel in _parcels(map(removed, gone), self._max_bytes):
            yield submessage(_REMOVE, *parcel)

    def _listed(self, current: EndpointSet, added: Iterable[Address]) -> Iterator[bytes]:
        encoder, zone = self._encoder, current.zone
        items = (encoder.listed(address, locality(zone, address)) for address in added)
        return self._adds(items, current.labels)

    def _adds(self, items: Iterable[bytes], labels: Iterable[Label]) -> Iterator[bytes]:
        common = _set_labels(labels)
        for parcel in _parcels(items, self._max_bytes):
            yield submessage(_ADD, *parcel, common)


def _told(messages: Iterator[bytes], size: int) -> Told:
    """Encoded now, if that is soon done."""
    return Messages(messages) if size > _MANY else tuple(messages)


def _size(added: Added) -> int:
    return sum(len(addresses) for _, addresses in added)


def _lacked(
    last: EndpointSet | None, current: EndpointSet
) -> tuple[int, Iterable[Address], Iterable[Address]]:
    if last is None:
        return len(current.addresses), current.addresses.values(), ()
    return current.since(last)


def _parcels(items: Iterable[bytes], most: int) -> Iterator[list[bytes]]:
    """All items, in parcels of at most so many bytes, or of one item, none of too many."""
    parcel: list[bytes] = []
    size = 0
    for item in items:
        if parcel and (size + len(item) > most or len(parcel) == _MOST):
            yield parcel
            parcel, size = [], 0
        parcel.append(item)
        size += len(item)
    if parcel:
        yield parcel


def _set_labels(labels: Iterable[Label]) -> bytes:
    message = pb.WeightedAddrSet(metric_labels=dict(labels))
    return message.SerializeToString(deterministic=True)
