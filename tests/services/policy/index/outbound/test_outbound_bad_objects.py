"""Objects that say anything, under streams of others: no error of ours, no message that a proxy
would refuse, nothing heard by those whom it does not concern; and good objects in the place of the
bad ones mend all.

More of them: `HISTORIES=20000 pytest tests/services/policy/index/outbound/`.
"""

import os
from collections.abc import Iterator
from random import Random
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from linkerd.kube.events import Applied, Deleted
from services.policy.index.kinds import Kind
from tests.support.indexes.followers import Follower
from tests.support.policy.inbound import make_index
from tests.support.policy.objects import item
from tests.support.policy.outbound import parent_of, taken
from tests.support.policy.outbound_law import LAW, Targets
from tests.support.policy.outbound_model import Query
from tests.support.policy.outbound_objects import MAKERS, OUTSIDE
from tests.support.policy.spoiled import spoiled

EXAMPLES: Final = int(os.environ.get("HISTORIES", "20"))
CALM: Final[list[Query]] = [("calm", "calm/pear", 80), ("calm", OUTSIDE[0], 80)]
"""What clients follow whom nothing that is spoiled concerns."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


def calm() -> list[tuple[Kind, Any]]:
    parent = parent_of(namespace="calm")
    spec = {"parentRefs": [parent]}
    return [
        (Kind.SERVICE, item(Kind.SERVICE, "pear", {"ports": [{"port": 80}]}, namespace="calm")),
        (
            Kind.EGRESS_NETWORK,
            item(Kind.EGRESS_NETWORK, "e", {"trafficPolicy": "Allow"}, namespace="calm"),
        ),
        (Kind.HTTP_ROUTE, item(Kind.HTTP_ROUTE, "r", spec, namespace="calm", status=taken(parent))),
    ]


def tell(index: Targets, kind: Kind, event: Any) -> None:
    index.index.listener(kind)([event])


def connect(index: Targets, queries: list[Query]) -> list[Follower]:
    proxies = [Follower(LAW, query) for query in queries]
    for each in proxies:
        each.connect(index)
        each.read()
    return proxies


@pytest.mark.timeout(120 + EXAMPLES // 5)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[*HealthCheck])
@given(st.integers(0, 1 << 64))
def test_whatever_is_said(seed: int) -> None:
    random = Random(seed)
    index = Targets(make_index())
    for kind, good in calm():
        tell(index, kind, Applied(good))
    known = {}
    for _, kind, make in random.choices(MAKERS, [row[0] for row in MAKERS], k=40):
        good = make(random)
        known[kind, good.metadata.key] = good
        tell(index, kind, Applied(good))
    proxies = connect(index, [LAW.query(random) for _ in range(8)])
    neighbours = connect(index, CALM)
    for _ in range(40):
        (kind, _), good = random.choice(list(known.items()))
        bad = spoiled(random, kind, good)
        if bad is not None:
            tell(index, kind, (Deleted if random.random() < 0.1 else Applied)(bad))
        for each in proxies:
            each.read()
    for (kind, _), good in known.items():
        tell(index, kind, Applied(good))
    assert not any(each.read() for each in neighbours)
    healed = Targets(make_index())
    for kind, good in [*calm(), *((kind, good) for (kind, _), good in known.items())]:
        tell(healed, kind, Applied(good))
    for each in (*proxies, *neighbours):
        each.connect(index)
        each.check(healed)
    assert index.index.tally.failures == 0


def test_most_of_what_is_spoiled_decodes() -> None:
    """Else nothing would come of it."""
    random = Random(1)
    made = [(kind, make(random)) for _, kind, make in MAKERS for _ in range(40)]
    decoded = [each for kind, good in made if (each := spoiled(random, kind, good)) is not None]
    assert len(decoded) > len(made) / 6
