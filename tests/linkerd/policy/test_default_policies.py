"""Default policies by their names."""

import pytest

from linkerd.policy.authorizations import ANY_MESH_TLS, UNAUTHENTICATED, Authorization
from linkerd.policy.default_policies import DefaultPolicy, parse_default_policy
from linkerd.policy.networks import ALL_NETWORKS, Network, parse_block

CLUSTER = (Network(parse_block("10.0.0.0/8")),)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("all-unauthenticated", Authorization(ALL_NETWORKS, UNAUTHENTICATED)),
        ("all-authenticated", Authorization(ALL_NETWORKS, ANY_MESH_TLS)),
        ("cluster-unauthenticated", Authorization(CLUSTER, UNAUTHENTICATED)),
        ("cluster-authenticated", Authorization(CLUSTER, ANY_MESH_TLS)),
        ("deny", None),
        ("audit", Authorization(ALL_NETWORKS, UNAUTHENTICATED)),
    ],
)
def test_i03_what_each_allows(name: str, allowed: Authorization | None) -> None:
    assert parse_default_policy(name).authorization(CLUSTER) == allowed


@pytest.mark.parametrize("name", ["sometimes", "", "Deny", "all_unauthenticated"])
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"is none of all-unauthenticated, .*, deny, audit"):
        parse_default_policy(name)


@pytest.mark.parametrize(
    ("name", "authenticated"),
    [
        ("all-unauthenticated", "all-authenticated"),
        ("cluster-unauthenticated", "cluster-authenticated"),
        ("all-authenticated", "all-authenticated"),
        ("deny", "deny"),
        ("audit", "audit"),
    ],
)
def test_i08_i09_i10_requiring_an_identity(name: str, authenticated: str) -> None:
    assert DefaultPolicy(name).authenticated == authenticated
