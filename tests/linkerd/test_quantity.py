"""Kubernetes quantities."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.quantity import parse_milli


@pytest.mark.parametrize(
    ("text", "milli"),
    [
        ("500m", 500),
        ("1", 1000),
        (1, 1000),
        (0.5, 500),
        ("2k", 2_000_000),
        ("1.5Gi", 1_610_612_736_000),
        ("1e3", 1_000_000),
        ("1E-3", 1),
        ("1u", 1),  # rounded up
        ("0.0001", 1),
        (".5", 500),
        ("5.", 5000),
        ("-1", -1000),
        ("+1", 1000),
        ("1E", 10**21),
        ("0", 0),
    ],
)
def test_valid(text: str | float, milli: int) -> None:
    assert parse_milli(text) == milli


@pytest.mark.parametrize(
    "text", ["", "m", "1 k", "1K", "1e", "one", "1e999", "9" * 100, "1mm", "\u0661", "nan"]
)
def test_invalid(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        parse_milli(text)


@given(st.text(max_size=12))
def test_nothing_else_raises(text: str) -> None:
    try:
        parse_milli(text)
    except ValueError:
        return
