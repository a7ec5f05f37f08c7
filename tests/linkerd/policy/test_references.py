"""How objects name kinds."""

import pytest

from linkerd.policy.references import EGRESS_NETWORK, SERVER, SERVICE, GroupKind, referred

KNOWN = (SERVICE, SERVER, EGRESS_NETWORK)


@pytest.mark.parametrize(
    ("group", "kind", "meant"),
    [
        ("", "Service", SERVICE),
        (None, "service", SERVICE),
        ("core", "Service", SERVICE),
        ("CORE", "SERVICE", SERVICE),
        ("policy.linkerd.io", "server", SERVER),
        ("Policy.Linkerd.io", "EgressNetwork", EGRESS_NETWORK),
    ],
)
def test_case_and_the_spelling_of_the_core_group_do_not_matter(
    group: str | None, kind: str, meant: GroupKind
) -> None:
    assert referred(group, kind, KNOWN) == meant


@pytest.mark.parametrize(
    ("group", "kind"),
    [
        ("policy.linkerd.io", "Service"),
        ("", "Server"),
        ("gateway.networking.k8s.io", "Service"),
        ("", ""),
    ],
)
def test_another_group_is_another_kind(group: str, kind: str) -> None:
    assert referred(group, kind, KNOWN) not in KNOWN


def test_a_kind_tells_its_group() -> None:
    assert str(SERVICE) == "core/Service"
    assert str(SERVER) == "policy.linkerd.io/Server"
