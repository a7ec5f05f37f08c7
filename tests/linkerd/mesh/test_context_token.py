"""Context tokens. Ids of the catalogue: T48 to T50."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.mesh.context_token import ContextToken, parse_context


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


@given(st.text(), st.text())
def test_round_trip(namespace: str, node: str) -> None:
    text = json.dumps({"ns": namespace, "nodeName": node})
    try:
        text.encode()
        json.loads(text).__str__().encode()
    except UnicodeEncodeError:  # a lone surrogate is no text
        return
    assert parse_context(text) == ContextToken(namespace, node)
