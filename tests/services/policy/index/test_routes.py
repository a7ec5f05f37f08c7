"""Routes are judged once, and complained of if they are ours."""

from typing import Any

import pytest

from linkerd.index import Complaints
from linkerd.kube.objects import Key
from services.policy.index.kinds import Kind
from services.policy.index.routes import ROUTES, RouteKey, Routes
from tests.support.policy.objects import POLICY, item
from tests.support.policy.outbound import parent_of

BAD: list[dict[str, Any]] = [{"matches": [{"path": {"type": "Exact", "value": "a"}}]}]
SERVER = {"group": POLICY, "kind": "Server", "name": "web"}
GATEWAY = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"}


def judge(
    kind: Kind = Kind.HTTP_ROUTE, parent: Any = None, rules: Any = None, annotations: Any = None
) -> tuple[bool, int]:
    """Whether a route counts, and how often it is complained of if it is filed twice."""
    complaints = Complaints()
    routes = Routes(complaints)
    spec = {"parentRefs": [parent or parent_of()], **({} if rules is None else {"rules": rules})}
    made = item(kind, "r", spec, annotations=annotations)
    for _ in range(2):
        assert list(routes.takers()[kind](Key("fin", "r"), made)) == []
    found = RouteKey(kind, Key("fin", "r")) in routes.judged
    routes.takers()[kind](Key("fin", "r"), None)
    assert not len(routes)
    return found, complaints.tally.complaints


@pytest.mark.parametrize("kind", list(ROUTES))
def test_good_routes_count(kind: Kind) -> None:
    assert judge(kind, rules=[{}]) == (True, 0)


def test_a_malformed_route_counts_as_absent_and_is_complained_of_once() -> None:
    assert judge(rules=BAD) == (False, 1)


def test_routes_without_a_parent_of_the_mesh_are_not_ours_to_judge() -> None:
    assert judge(Kind.GATEWAY_HTTP_ROUTE, GATEWAY, BAD) == (False, 0)


def test_annotations_for_clients_matter_where_clients_have_the_route() -> None:
    bad = {"timeout.linkerd.io/request": "soon"}
    assert judge(annotations=bad) == (True, 1)
    assert judge(parent=SERVER, annotations=bad) == (True, 0)
