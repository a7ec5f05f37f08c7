"""Objects that say anything, under streams of others: no error of ours, no message that a proxy
would refuse, nothing heard by those whom it does not concern; and good objects in the place of the
bad ones mend all.

More of them: `HISTORIES=20000 pytest tests/services/policy/index/inbound/`.
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
from tests.support.policy.inbound_law import LAW, Ports
from tests.support.policy.inbound_model import Query
from tests.support.policy.inbound_objects import MAKERS
from tests.support.policy.objects import accepted, item, parents
from tests.support.policy.spoiled import spoiled

EXAMPLES: Final = int(os.environ.get("HISTORIES", "20"))
CALM: Final[list[Query]] = [("calm", "web-0", False, 8080), ("calm", "web-0", False, 9000)]
"""What proxies follow whom nothing that is spoiled concerns."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


def calm() -> list[tuple[Kind, Any]]:
    server = {"port": 8080, "podSelector": {}, "accessPolicy": "audit"}
    route = {"parentRefs": parents("web")}
    return [
        (Kind.POD, item(Kind.POD, "web-0", namespace="calm")),
        (Kind.SERVER, item(Kind.SERVER, "web", server, namespace="calm")),
        (
            Kind.HTTP_ROUTE,
            item(Kind.HTTP_ROUTE, "r", route, namespace="calm", status=accepted("web")),
        ),
    ]


def tell(ports: Ports, kind: Kind, event: Any) -> None:
    ports.index.listener(kind)([event])


def connect(ports: Ports, queries: list[Query]) -> list[Follower]:
    proxies = [Follower(LAW, query) for query in queries]
    for each in proxies:
        each.connect(ports)
        each.read()
    return proxies


@pytest.mark.timeout(120 + EXAMPLES // 5)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[*HealthCheck])
@given(st.integers(0, 1 << 64))
def test_whatever_is_said(seed: int) -> None:
    random = Random(seed)
    ports = Ports(make_index())
    for kind, good in calm():
        tell(ports, kind, Applied(good))
    known = {}
    for _, kind, make in random.choices(MAKERS, [row[0] for row in MAKERS], k=60):
        good = make(random)
        known[kind, good.metadata.key] = good
        tell(ports, kind, Applied(good))
    proxies = connect(ports, [LAW.query(random) for _ in range(8)])
    neighbours = connect(ports, CALM)
    for _ in range(60):
        (kind, _), good = random.choice(list(known.items()))
        bad = spoiled(random, kind, good)
        if bad is not None:
            tell(ports, kind, (Deleted if random.random() < 0.1 else Applied)(bad))
        for each in proxies:
            each.read()
    for (kind, _), good in known.items():
        tell(ports, kind, Applied(good))
    assert not any(each.read() for each in neighbours)
    healed = Ports(make_index())
    for kind, good in [*calm(), *((kind, good) for (kind, _), good in known.items())]:
        tell(healed, kind, Applied(good))
    for each in (*proxies, *neighbours):
        each.connect(ports)
        each.check(healed)
    assert ports.index.tally.failures == 0


def test_most_of_what_is_spoiled_decodes() -> None:
    """Else nothing would come of it."""
    random = Random(1)
    made = [(kind, make(random)) for _, kind, make in MAKERS for _ in range(40)]
    decoded = [each for kind, good in made if (each := spoiled(random, kind, good)) is not None]
    assert len(decoded) > len(made) / 6
