"""Identities: what they match and which can be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.mesh.names import IdentityDomain
from linkerd.policy.identities import (
    Identity,
    IdentityMatch,
    IdentitySuffix,
    check_identity,
    identity_match,
    namespace_identities,
    service_account_identity,
)

DOMAIN = IdentityDomain("mesh", "td.example")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("*", IdentitySuffix()),
        ("*.a.b", IdentitySuffix(("a", "b"))),
        ("*.*.x", IdentitySuffix(("*", "x"))),
        ("a.b", Identity("a.b")),
        ("spiffe://td/w", Identity("spiffe://td/w")),
        ("*a.b", Identity("*a.b")),
    ],
)
def test_i56_what_they_match(text: str, match: IdentityMatch) -> None:
    assert identity_match(text) == match


@pytest.mark.parametrize(
    "text",
    [
        "*", "*.foo.example", "a.b", "a", "0-a.b-0.c", "spiffe://td/ns/x", "spiffe://td",
        "spiffe://t.d_-0/A.b/_-", "spiffe://td/...",
    ],
)  # fmt: skip
def test_a12_p06_which_can_be(text: str) -> None:
    check_identity(text)


@pytest.mark.parametrize(
    "text",
    [
        "foo.*", "a.*", "*a.b", "A.b", "a..b", "", ".", "a.", "-a.b", "a-.b", "*.*.x", "a b",
        "a\n", "\u00e4.b", "spiffe://", "spiffe:///x", "spiffe://td/", "spiffe://td/x/",
        "spiffe://td/a//b", "spiffe://td/./b", "spiffe://td/..", "spiffe://TD/x", "spiffe://td/x?y",
        "spiffe://td/\u00e4", "SPIFFE://td/x", "spiffe://td/x\n",
    ],
)  # fmt: skip
def test_a13_p06_which_cannot(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no (identity|SPIFFE id)"):
        check_identity(text)


@given(st.text("a*.-/A0", max_size=30))
def test_what_can_be_is_what_the_grammar_says(text: str) -> None:
    """By a second reading of it, character by character."""
    labels = text.split(".")
    good = all(
        label == "*" if number == 0 and "*" in label else _is_label(label)
        for number, label in enumerate(labels)
    )
    try:
        check_identity(text)
    except ValueError:
        assert not good
    else:
        assert good


def _is_label(label: str) -> bool:
    return bool(label) and not label.strip("a0-") and label[0] != "-" != label[-1]


def test_accounts_and_namespaces_have_the_names_of_this_mesh() -> None:
    suffix = "kitchen.serviceaccount.identity.mesh.td.example"
    assert service_account_identity("jam", "kitchen", DOMAIN) == Identity(f"jam.{suffix}")
    assert namespace_identities("kitchen", DOMAIN) == IdentitySuffix(tuple(suffix.split(".")))


@pytest.mark.parametrize("length", [100_000])
def test_long_ones_take_no_time_to_refuse(length: int) -> None:
    for text in ("a" * length + "!", "a-" * length, "a." * length, "-" * length):
        with pytest.raises(ValueError, match="is no identity"):
            check_identity(text)
