"""From one version of endpoint sets to another, as the messages of a `Get` stream.

Rules that proxies rely on: the first message of a stream is complete; never a Remove first; at
most one Add (later, for each origin of the endpoints), then at most one Remove; an endpoint whose
description changed is added again, without being removed. A fresh stream of an empty set is told
so, lest the proxy keep what an earlier stream told it, or wait until it gives up.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from linkerd.stubs.proxy import destination_pb2 as pb
from services.destination.model.address import Address
from services.destination.model.endpoints import (
    Endpoints,
    EndpointSet,
    differences,
    locality,
)
from services.destination.wire.addresses import AddressEncoder, removed
from services.destination.wire.splice import submessage

_ADD: Final = 1  # field numbers of Update
_REMOVE: Final = 2
_EMPTY: Final = pb.Update(no_endpoints=pb.NoEndpoints(exists=True)).SerializeToString()
_FRESH: Final = 0  # the serial of a reader that has nothing yet
_MAX_MEMO: Final = 64  # versions that readers of one set may have left


class EndpointDeltas:
    """The `delta` of topics of endpoints. Audiences of one zone share their sets, so what was
    encoded for one topic is remembered with the set and serves the others too."""

    def __init__(self, encoder: AddressEncoder) -> None:
        self._encoder = encoder

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
        return (self._whole(added),) if added else (_EMPTY,)

    def _whole(self, added: list[tuple[EndpointSet, list[Address]]]) -> bytes:
        """One Add of all origins: a proxy drops what a stream's first Add does not have. Labels in
        which the origins differ are told with the addresses, which means the same."""
        common = set.intersection(*(set(part.labels) for part, _ in added))
        items = []
        for part, addresses in added:
            own = tuple(label for label in part.labels if label not in common)
            for address in addresses:
                labelled = replace(address, labels=(*address.labels, *own), memo={})
                items.append(self._encoder.listed(labelled, locality(part.zone, address)))
        return submessage(_ADD, *items, _set_labels(common))

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
        adds = tuple(self._add(part, addresses) for part, addresses in added if addresses)
        return (*adds, submessage(_REMOVE, *map(removed, gone))) if gone else adds

    def _add(self, current: EndpointSet, added: list[Address]) -> bytes:
        encoder, zone = self._encoder, current.zone
        items = [encoder.listed(address, locality(zone, address)) for address in added]
        return submessage(_ADD, *items, _set_labels(current.labels))


def _set_labels(labels: Iterable[tuple[str, str]]) -> bytes:
    message = pb.WeightedAddrSet(metric_labels=dict(labels))
    return message.SerializeToString(deterministic=True)
