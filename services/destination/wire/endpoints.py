"""From one version of endpoint sets to another, as the messages of a `Get` stream.

Rules that proxies rely on: the first message of a stream is complete; never a Remove first; at
most one Add (later, for each origin of the endpoints), then at most one Remove; an endpoint whose
description changed is added again, without being removed. A fresh stream of an empty set is told
so, lest the proxy keep what an earlier stream told it, or wait until it gives up.

What is too big for one message is told in several. A proxy then lacks the rest for the moment
between the first and the last of them, where it would ask again without end for a message that it
cannot take.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

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
_MAX_BYTES: Final = (4 << 20) - (64 << 10)  # of endpoints in a message; proxies take 4 MiB in all


class EndpointDeltas:
    """The `delta` of topics of endpoints. Audiences of one zone share their sets, so what was
    encoded for one topic is remembered with the set and serves the others too. `max_bytes` is how
    much of endpoints goes into one message."""

    def __init__(self, encoder: AddressEncoder, *, max_bytes: int = _MAX_BYTES) -> None:
        self._encoder = encoder
        self._max_bytes = max_bytes

    def __call__(self, last: Endpoints | None, current: Endpoints) -> tuple[bytes, ...]:
        """The encoded updates that take a reader from `last` to `current`."""
        if last is None:
            return self._first(current)
        if [part.origin for part in last] == [part.origin for part in current] and len(last) == 1:
            return self._remembered(last[0], current[0])
        added, gone = differences(last, current)
        return self._messages(added, gone)

    def _first(self, current: Endpoints) -> tuple[bytes, ...]:
        if len(current) == 1 and current[0].addresses:
            return self._remembered(None, current[0])
        added, _ = differences((), current)
        return tuple(self._whole(added)) if added else (_EMPTY,)

    def _whole(self, added: list[tuple[EndpointSet, list[Address]]]) -> Iterator[bytes]:
        """One Add of all origins: a proxy drops what a stream's first Add does not have. Labels in
        which the origins differ are told with the addresses, which means the same."""
        common = set.intersection(*(set(part.labels) for part, _ in added))
        items = []
        for part, addresses in added:
            own = tuple(label for label in part.labels if label not in common)
            for address in addresses:
                labelled = replace(address, labels=(*own, *address.labels), memo={})
                items.append(self._encoder.listed(labelled, locality(part.zone, address)))
        return self._adds(items, common)

    def _remembered(self, last: EndpointSet | None, current: EndpointSet) -> tuple[bytes, ...]:
        serial = last.serial if last is not None else _FRESH
        messages = current.memo.get(serial)
        if messages is None:
            if len(current.memo) >= _MAX_MEMO:
                current.memo.clear()
            added, gone = (
                (list(current.addresses.values()), []) if last is None else current.since(last)
            )
            messages = current.memo[serial] = self._messages([(current, added)], gone)
        return messages

    def _messages(
        self, added: list[tuple[EndpointSet, list[Address]]], gone: list[Address]
    ) -> tuple[bytes, ...]:
        adds = [add for part, addresses in added for add in self._listed(part, addresses)]
        removes = _parcels(map(removed, gone), self._max_bytes)
        return (*adds, *(submessage(_REMOVE, *items) for items in removes))

    def _listed(self, current: EndpointSet, added: list[Address]) -> Iterator[bytes]:
        encoder, zone = self._encoder, current.zone
        items = [encoder.listed(address, locality(zone, address)) for address in added]
        return self._adds(items, current.labels)

    def _adds(self, items: list[bytes], labels: Iterable[tuple[str, str]]) -> Iterator[bytes]:
        common = _set_labels(labels)
        for parcel in _parcels(items, self._max_bytes):
            yield submessage(_ADD, *parcel, common)


def _parcels(items: Iterable[bytes], most: int) -> Iterator[list[bytes]]:
    """All items, in parcels of at most so many bytes, or of one item."""
    parcel: list[bytes] = []
    size = 0
    for item in items:
        if parcel and size + len(item) > most:
            yield parcel
            parcel, size = [], 0
        parcel.append(item)
        size += len(item)
    if parcel:
        yield parcel


def _set_labels(labels: Iterable[tuple[str, str]]) -> bytes:
    message = pb.WeightedAddrSet(metric_labels=dict(labels))
    return message.SerializeToString(deterministic=True)
