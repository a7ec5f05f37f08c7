"""Context tokens. Ids of the catalogue: T48 to T50."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.mesh.context_token import ContextToken, parse_context

TEXT = st.text(st.characters(codec="utf-8"))


def test_t48_json_with_newline() -> None:
    token = parse_context('{"ns":"shop", "nodeName":"n7", "pod":"cart-0"}\n')
    assert token == ContextToken("shop", "n7", "cart-0")


def test_t49_legacy_form() -> None:
    assert parse_context("ns:shop") == ContextToken("shop")


@pytest.mark.parametrize(
    "text", ['{"ns":', "hello", "ns:a:b", "pod:x", "[]", '"ns"', "3", '{"ns":5}', "[" * 100_000]
)
def test_t50_anything_else_is_nothing(text: str) -> None:
    assert parse_context(text) is None


@pytest.mark.parametrize("text", ["", " \n", "null", "{}", '{"other": [1]}', '{"ns": null}'])
def test_empty(text: str) -> None:
    assert parse_context(text) == ContextToken()


def test_keys_match_in_any_case_as_in_go() -> None:
    assert parse_context('{"NS":"a","nodename":"b"}') == ContextToken("a", "b")


@given(st.text(max_size=40) | st.recursive(st.text(), st.lists, max_leaves=5).map(json.dumps))
def test_nothing_raises(text: str) -> None:
    parse_context(text)


@given(TEXT, TEXT, TEXT)
def test_round_trip(namespace: str, node: str, pod: str) -> None:
    token = ContextToken(namespace, node, pod)
    assert parse_context(str(token)) == token


def test_what_is_unknown_is_left_out() -> None:
    assert str(ContextToken("shop", pod="cart-0")) == '{"ns": "shop", "pod": "cart-0"}'
    assert str(ContextToken()) == "{}"
