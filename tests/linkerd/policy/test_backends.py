"""Backends of rules."""

from typing import Any

import msgspec
import pytest

from linkerd.kube.objects import BackendReference, FilteredBackendReference
from linkerd.policy.backends import Backend, judge_backends, judge_filtered_backends
from linkerd.policy.errors import PolicyError
from linkerd.policy.filters import HTTP_FILTERS, HeaderChanges, RequestHeaders
from linkerd.policy.references import EGRESS_NETWORK, SERVICE, GroupKind


def judged(reference: dict[str, Any]) -> Backend:
    references = [msgspec.convert(reference, BackendReference)]
    (found,) = judge_backends(references, "orchard", "backendRefs")
    return found


def filtered(*filters: dict[str, Any]) -> Backend:
    reference = msgspec.convert({"name": "a", "filters": filters}, FilteredBackendReference)
    (found,) = judge_filtered_backends([reference], "orchard", "backendRefs", HTTP_FILTERS)
    return found


def test_o05_a_backend_is_in_the_namespace_of_its_route() -> None:
    assert judged({"name": "a", "port": 80}) == Backend(SERVICE, "orchard", "a", 80, weight=1)


def test_o06_unless_it_says_otherwise() -> None:
    found = judged({"name": "a", "port": 80, "namespace": "cellar", "weight": 0})
    assert found == Backend(SERVICE, "cellar", "a", 80, weight=0)


@pytest.mark.parametrize("port", [{}, {"port": 0}])
def test_a_port_that_is_not_given(port: dict[str, int]) -> None:
    assert judged({"name": "a", **port}).port is None


@pytest.mark.parametrize(
    ("group", "kind", "meant"),
    [
        ("core", "service", SERVICE),
        ("policy.linkerd.io", "EgressNetwork", EGRESS_NETWORK),
        ("", "ConfigMap", GroupKind("", "ConfigMap")),
    ],
)
def test_kinds(group: str, kind: str, meant: GroupKind) -> None:
    assert judged({"name": "a", "group": group, "kind": kind}).kind == meant


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"port": 65_536}, "port"),
        ({"port": -1}, "port"),
        ({"weight": -1}, "weight"),
        ({"weight": 1_000_001}, "weight"),
        ({"name": ""}, "name"),
    ],
)
def test_what_no_message_holds(part: dict[str, Any], field: str) -> None:
    with pytest.raises(PolicyError) as raised:
        judged({"name": "a", **part})
    assert raised.value.field == f"backendRefs[0].{field}"


def test_o29_filters_of_a_backend() -> None:
    body = {"set": [{"name": "A", "value": "b"}]}
    found = filtered({"type": "RequestHeaderModifier", "requestHeaderModifier": body})
    assert found.filters == (RequestHeaders(HeaderChanges(set=(("a", "b"),))),)
    assert not found.fault


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        ({"type": "URLRewrite"}, "backendRefs[0].filters[0].type: 'URLRewrite' is no filter"),
        ({"type": "RequestRedirect"}, "backendRefs[0].filters[0].requestRedirect: is missing"),
    ],
)
def test_a_bad_filter_spoils_its_backend_alone(bad: dict[str, Any], fault: str) -> None:
    found = filtered(bad)
    assert found.fault.startswith(fault)
    assert (found.name, found.weight, found.filters) == ("a", 1, ())
