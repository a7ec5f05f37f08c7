"""Objects that say anything, under streams of others: no error of ours, no message that a proxy
would refuse, nothing heard by those whom it does not concern; and good objects in the place of the
bad ones mend all.

More of them: `HISTORIES=20000 pytest tests/services/policy/index/outbound/`.
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
from tests.support.policy.objects import item
from tests.support.policy.outbound import parent_of, taken
from tests.support.policy.outbound_law import LAW, Targets
from tests.support.policy.outbound_model import Query
from tests.support.policy.outbound_objects import OUTSIDE

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


BAD: Final = BadObjects(law=LAW, world=Targets, calm=calm(), calm_queries=CALM, most=40)


@pytest.mark.timeout(120 + EXAMPLES // 5)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[*HealthCheck])
@given(st.integers(0, 1 << 64))
def test_whatever_is_said(seed: int) -> None:
    BAD.do_no_harm(seed)


def test_most_of_what_is_spoiled_decodes() -> None:
    BAD.mostly_decode()
