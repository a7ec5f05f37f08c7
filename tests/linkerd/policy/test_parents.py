"""Parents of routes, and what controllers made of them."""

from typing import Any

import msgspec
import pytest

from linkerd.kube.objects import ParentReference, RouteStatus
from linkerd.policy.parents import (
    CONTROLLER,
    Acceptance,
    Parent,
    acceptances,
    is_called,
    is_meshed,
    is_pending,
    parents,
)
from linkerd.policy.references import EGRESS_NETWORK, SERVER, SERVICE, GroupKind


def parent(**reference: Any) -> Parent:
    (found,) = parents((msgspec.convert(reference, ParentReference),), "orchard")
    return found


def test_a_parent_is_in_the_namespace_of_its_route_unless_it_says_otherwise() -> None:
    assert parent(name="a", kind="Service") == Parent(SERVICE, "orchard", "a")
    found = parent(name="a", group="core", kind="Service", namespace="cellar", port=80)
    assert found == Parent(SERVICE, "cellar", "a", port=80)


def test_kinds_of_the_mesh() -> None:
    group = "policy.linkerd.io"
    assert parent(name="a", group=group, kind="Server").kind == SERVER
    assert parent(name="a", group=group, kind="EgressNetwork").kind == EGRESS_NETWORK


def test_i69_ports_and_sections_are_kept() -> None:
    found = parent(name="a", group="policy.linkerd.io", kind="Server", sectionName="s", port=0)
    assert (found.port, found.section) == (0, "s")


@pytest.mark.parametrize(
    ("reference", "kind"),
    [
        ({"name": "a"}, GroupKind("", "")),
        (
            {"name": "a", "group": "gateway.networking.k8s.io", "kind": "Gateway"},
            GroupKind("gateway.networking.k8s.io", "Gateway"),
        ),
        (
            {"name": "a", "group": "gateway.networking.k8s.io", "kind": "Service"},
            GroupKind("gateway.networking.k8s.io", "Service"),
        ),
    ],
)
def test_o79_other_parents_are_none_of_ours(reference: dict[str, str], kind: GroupKind) -> None:
    assert parent(**reference).kind == kind


@pytest.mark.parametrize(
    ("group", "kind", "meshed", "called"),
    [
        ("core", "service", True, True),
        ("policy.linkerd.io", "EgressNetwork", True, True),
        ("policy.linkerd.io", "Server", True, False),
        ("gateway.networking.k8s.io", "Gateway", False, False),
    ],
)
def test_whose_a_route_is(group: str, kind: str, meshed: bool, called: bool) -> None:
    references = (ParentReference("g", "some.one", "Else"), ParentReference("a", group, kind))
    assert is_meshed(references) is meshed
    assert is_called(references) is called


def entry(name: str, *conditions: tuple[str, str], controller: str = "some/one") -> dict[str, Any]:
    return {
        "parentRef": {"name": name, "group": "core", "kind": "Service", "port": 80},
        "controllerName": controller,
        "conditions": [{"type": type_, "status": status} for type_, status in conditions],
    }


def test_i40_only_what_is_accepted_counts() -> None:
    entries = [
        entry("none"),
        entry("refused", ("Accepted", "False"), ("ResolvedRefs", "True")),
        entry("unknown", ("Accepted", "Unknown")),
        entry("taken", ("ResolvedRefs", "False"), ("Accepted", "True"), controller="linkerd.io/x"),
    ]
    status = msgspec.convert({"parents": entries}, RouteStatus)
    taken = Acceptance(Parent(SERVICE, "orchard", "taken", port=80), "linkerd.io/x")
    assert acceptances(status, "orchard") == (taken,)


def test_i40_without_a_status_nobody_accepts() -> None:
    assert acceptances(RouteStatus(), "orchard") == ()


@pytest.mark.parametrize(
    ("parent", "controller", "pending"),
    [
        (Parent(SERVICE, "orchard", "pear", port=80), CONTROLLER, False),
        (Parent(SERVICE, "orchard", "pear", port=80, section="x"), CONTROLLER, False),
        (Parent(SERVICE, "orchard", "pear", port=80), "some/one", True),
        (Parent(SERVICE, "orchard", "pear"), CONTROLLER, True),
        (Parent(SERVICE, "veg", "pear", port=80), CONTROLLER, True),
        (Parent(EGRESS_NETWORK, "orchard", "pear", port=80), CONTROLLER, True),
        (Parent(SERVER, "orchard", "other"), CONTROLLER, False),
    ],
)
def test_whether_a_status_lacks_a_parent(parent: Parent, controller: str, pending: bool) -> None:
    told = entry("pear", ("Accepted", "False"), controller=controller)
    status = msgspec.convert({"parents": [told]}, RouteStatus)
    assert is_pending(status, (parent,), "orchard") is pending
