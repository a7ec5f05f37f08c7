"""Objects that say anything, under streams of others: no error of ours, no message that a proxy
would refuse, nothing heard by those whom it does not concern; and good objects in the place of the
bad ones mend all.

More of them: `HISTORIES=20000 pytest tests/services/policy/index/inbound/`.
"""

import os
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from services.policy.index.kinds import Kind
from tests.support.policy.bad_objects import BadObjects
from tests.support.policy.inbound_law import LAW, Ports
from tests.support.policy.inbound_model import Query
from tests.support.policy.objects import accepted, item, parents

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


BAD: Final = BadObjects(law=LAW, world=Ports, calm=calm(), calm_queries=CALM, most=60)


@pytest.mark.timeout(120 + EXAMPLES // 5)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[*HealthCheck])
@given(st.integers(0, 1 << 64))
def test_whatever_is_said(seed: int) -> None:
    BAD.do_no_harm(seed)


def test_most_of_what_is_spoiled_decodes() -> None:
    BAD.mostly_decode()
