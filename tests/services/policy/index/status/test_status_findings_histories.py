"""The law of event order, for what statuses should say: whatever the history, it is what a rebuild
finds, and whoever writes hears of all that changes."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from linkerd.index import Pace
from linkerd.kube.events import Event
from linkerd.streams import Subscription
from services.policy.index.index import PolicyIndex
from services.policy.index.kinds import Kind
from services.policy.index.status.findings import (
    egress_network_finding,
    rate_limit_finding,
    route_findings,
)
from services.policy.index.status.names import StatusKey
from services.policy.model.status import Finding
from services.policy.resources import RESOURCES
from services.policy.wire.inbound import encode_port
from services.policy.wire.outbound import PolicyDeltas
from tests.support.indexes.law import Law
from tests.support.indexes.stored import Cluster
from tests.support.objects import meta
from tests.support.policy.inbound import mesh
from tests.support.policy.status_makers import KINDS, NAMESPACES, PARENTS, ROUTE_NAMES, manifest
from tests.support.policy.status_model import ROUTES, Model


class _Index(PolicyIndex):
    """Tells `readers` which objects they have to look at again: those of an event, and those that
    the tables name."""

    def __init__(self, pace: Pace) -> None:
        super().__init__(mesh(), port=encode_port, policies=PolicyDeltas, pace=pace)
        self.readers: list[_Reader] = []
        self.home.objects.status.concerned = self._concerned

    def apply(self, kind: Kind, event: Event[Any], context: Any = None) -> None:
        super().apply(kind, event, context)
        self._concerned([StatusKey.of(kind, event.object.metadata.key)])

    def _concerned(self, keys: Any) -> None:
        outdated = set(keys)
        for reader in self.readers:
            reader.outdated = reader.outdated or reader.key in outdated


class _Reader(Subscription):
    """Looks at one object, when it is told to."""

    def __init__(self, index: _Index, key: StatusKey) -> None:
        self.key = key
        self.outdated = True
        self._index = index
        self._last = b""
        index.readers.append(self)

    def poll(self) -> bytes | None:
        now = json.dumps(self._look()).encode() if self.outdated else self._last
        self.outdated = False
        if now == self._last:
            return None
        self._last = now
        return now

    def on_wake(self, wake: Callable[[], None]) -> None:
        """Nobody sleeps here."""

    def close(self) -> None:
        self._index.readers.remove(self)

    def _look(self) -> Any:
        objects, key = self._index.home.objects, self.key
        if key not in set(objects.status.keys()):
            return None
        if key.kind == Kind.EGRESS_NETWORK.value:
            return _verdict(egress_network_finding(objects, key.object))
        if key.kind == Kind.RATE_LIMIT_POLICY.value:
            return _verdict(rate_limit_finding(objects, key.object))
        found = [
            [
                [each.parent.kind.kind, each.parent.namespace, each.parent.name, each.parent.port],
                [_verdict(finding) for finding in each.findings],
            ]
            for each in route_findings(objects, key)
        ]
        return sorted(found, key=str)


def _verdict(finding: Finding) -> list[Any]:
    return [finding.type, finding.holds, finding.reason]


class _World:
    def __init__(self, pace: Pace) -> None:
        self.index = _Index(pace)

    def follow(self, query: StatusKey) -> Subscription:
        return _Reader(self.index, query)


class _Client:
    def __init__(self, _query: StatusKey) -> None:
        self.known: Any = None

    def take(self, raw: bytes) -> None:
        self.known = json.loads(raw)

    def reconnect(self) -> None:
        """It is told everything again."""


def _make(kind: Kind) -> Callable[[Random], Any]:
    def make(random: Random) -> Any:
        document = manifest(kind, random)
        metadata = document["metadata"]
        metadata["uid"] = f"{kind}-{metadata['namespace']}-{metadata['name']}"
        metadata["resourceVersion"] = meta("x").resource_version
        return msgspec.convert(document, RESOURCES[kind].struct)

    return make


def _model(cluster: Cluster, query: StatusKey) -> Any:
    documents = {
        kind: [json.loads(msgspec.json.encode(each)) for each in stored.objects.values()]
        for kind, stored in cluster.stored.items()
    }
    found = Model(documents).of(Kind(query.kind), query.namespace, query.name)
    plain = json.loads(json.dumps(found))
    return sorted(plain, key=str) if Kind(query.kind) in ROUTES and plain else plain


def _query(random: Random) -> StatusKey:
    kind = random.choice([*ROUTES, Kind.RATE_LIMIT_POLICY, Kind.EGRESS_NETWORK])
    names = PARENTS if kind is Kind.EGRESS_NETWORK else ROUTE_NAMES
    return StatusKey(kind.value, random.choice(NAMESPACES), random.choice(names))


_OFTEN = (*ROUTES, Kind.RATE_LIMIT_POLICY)

LAW = Law(
    makers=[(2 if kind in _OFTEN else 1, kind, _make(kind)) for kind in KINDS],
    resources=RESOURCES,
    start=_World,
    query=_query,
    client=_Client,
    model=_model,
)


@hypothesis_settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 120))
def test_any_order_of_events_is_a_rebuild(seed: int, length: int) -> None:
    LAW.holds_for(range(seed, seed + 6), length)
