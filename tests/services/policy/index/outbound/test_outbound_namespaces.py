"""What one namespace writes is for its own clients alone, and for those of the parents that stand
in it."""

import os
from random import Random
from typing import Any, Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from linkerd.kube.events import Applied
from services.policy.index.kinds import Kind
from services.policy.index.outbound.errors import UnknownTargetError
from tests.support.indexes.stored import Makers
from tests.support.policy.inbound import make_index
from tests.support.policy.outbound_law import Targets
from tests.support.policy.outbound_model import Query
from tests.support.policy.outbound_objects import (
    IPS,
    MAKERS,
    NAMESPACES,
    OUTSIDE,
    PORTS,
    ROUTES,
    SERVICES,
    SOURCES,
)

INTRUDER: Final = "evil"
EXAMPLES: Final = int(os.environ.get("HISTORIES", "20"))
QUERIES: Final[list[Query]] = [
    (source, where, port)
    for source in SOURCES
    for where in (*IPS, *OUTSIDE, *(f"{ns}/{name}" for ns in NAMESPACES for name in SERVICES))
    for port in PORTS[:2]
]


def answers(index: Targets, queries: list[Query]) -> list[bytes | None]:
    """What each is told, None where nothing is known."""
    return [answer(index, query) for query in queries]


def answer(index: Targets, query: Query) -> bytes | None:
    try:
        stream = index.follow(query)
    except UnknownTargetError:
        return None
    raw = stream.poll()
    stream.close()
    return raw


def moved(item: Any, namespace: str) -> Any:
    """The object in another namespace. A Service there has addresses of its own."""
    metadata = msgspec.structs.replace(item.metadata, namespace=namespace)
    changes: dict[str, Any] = {"metadata": metadata}
    if hasattr(item.spec, "cluster_ips"):
        spec = msgspec.structs.replace(
            item.spec, cluster_ip="10.96.9.9", cluster_ips=("10.96.9.9",)
        )
        changes["spec"] = spec
    return msgspec.structs.replace(item, **changes)


def some(random: Random, kinds: Makers, number: int) -> list[tuple[Kind, Any]]:
    weights = [weight for weight, *_ in kinds]
    chosen = random.choices(kinds, weights, k=number)
    return [(kind, make(random)) for _, kind, make in chosen]


def tell(index: Targets, items: list[tuple[Kind, Any]]) -> None:
    with capture_logs():
        for kind, item in items:
            index.index.listener(kind)([Applied(item)])


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[*HealthCheck])
@given(st.integers(0, 1 << 64))
def test_what_another_namespace_writes_changes_nothing(seed: int) -> None:
    random = Random(seed)
    index = Targets(make_index())
    tell(index, some(random, MAKERS, 60))
    queries = random.sample(QUERIES, 25)
    before = answers(index, queries)
    intruders = [(kind, moved(item, INTRUDER)) for kind, item in some(random, MAKERS, 40)]
    tell(index, intruders)
    assert answers(index, queries) == before


@pytest.mark.parametrize("kind", [*ROUTES, Kind.EGRESS_NETWORK])
def test_what_a_namespace_writes_is_for_its_own_clients(kind: Kind) -> None:
    """Else the property above would hold of an index that knows nothing."""
    index = Targets(make_index())
    random = Random(7)
    tell(index, some(random, [row for row in MAKERS if row[1] is Kind.SERVICE], 20))
    where = OUTSIDE if kind is Kind.EGRESS_NETWORK else [f"{ns}/pear" for ns in NAMESPACES]
    queries = [(INTRUDER, each, port) for each in where for port in PORTS]
    before = answers(index, queries)
    heard = False
    for _, item in some(random, [row for row in MAKERS if row[1] is kind], 100):
        tell(index, [(kind, moved(item, INTRUDER))])
        heard = heard or answers(index, queries) != before
    assert heard
