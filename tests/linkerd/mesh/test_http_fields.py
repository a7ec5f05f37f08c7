"""What HTTP takes for methods and headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.mesh.http_fields import is_field_value, is_token


@pytest.mark.parametrize("text", ["GET", "x-fruit", "a.b_c~d", "!#$%&'*+^`|", "0"])
def test_tokens(text: str) -> None:
    assert is_token(text)


@pytest.mark.parametrize(
    "text", ["", "a b", "a:b", ":path", "ä", "a\n", "a\t", '"a"', "a/b", "(a)"]
)
def test_what_is_no_token(text: str) -> None:
    assert not is_token(text)


@given(st.text())
def test_a_value_is_any_text_without_control_characters(text: str) -> None:
    bad = any((ord(char) < 0x20 and char != "\t") or ord(char) == 0x7F for char in text)
    assert is_field_value(text) is not bad
