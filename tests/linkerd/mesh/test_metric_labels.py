"""Metric labels that proxies write out as they hear them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.mesh.metric_labels import is_label_name, label_value
from tests.support.rules import check_labels


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ledger-7f", "ledger-7f"),
        ("GET /a/{id}, ok", "GET /a/{id}, ok"),
        ('a"b\\c\nd', "a_b_c_d"),
        ("Ä", "Ä"),
        ("x" * 300, "x" * 253),
    ],
)
def test_values(text: str, expected: str) -> None:
    assert label_value(text) == expected


@pytest.mark.parametrize("text", ["", "a-b", "a b", "Ä", "a\n", "Pod", "a" * 300])
def test_what_is_no_name(text: str) -> None:
    assert not is_label_name(text)


@given(name=st.text(), value=st.text())
def test_proxies_can_write_any_label(name: str, value: str) -> None:
    check_labels({name if is_label_name(name) else "pod": label_value(value)}, "any")
