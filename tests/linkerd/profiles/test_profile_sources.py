"""Reading what strangers write: bounds, and no error but the one that is announced."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from linkerd.profiles.documents import MAX_BYTES, MAX_VALUES, plain, read_document
from linkerd.profiles.errors import SourceError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.text() | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def doubling(lines: int, first: str, each: str) -> bytes:
    """A document whose meaning doubles with every line."""
    later = [each.format(name=f"a{n}", before=f"*a{n - 1}") for n in range(1, lines)]
    return "\n".join([first, *later]).encode()


def test_aliases_of_aliases_are_bounded() -> None:
    text = doubling(22, "a0: &a0 [x, x]", "{name}: &{name} [{before}, {before}]")
    with pytest.raises(SourceError, match=f"more than {MAX_VALUES} values"):
        read_document(text)


def test_merges_of_merges_are_bounded() -> None:
    text = doubling(20, "a0: &a0 {x: 1}", "{name}: &{name} {{<<: [{before}, {before}]}}")
    with pytest.raises(SourceError, match='"<<" brings in more than'):
        read_document(text)
    many = ", ".join(["*a"] * 2000)
    with pytest.raises(SourceError, match='"<<" brings in more than'):
        read_document(f"a: &a {{}}\nb: {{<<: [{many}]}}".encode())


def test_merges_and_aliases_work() -> None:
    text = b"a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\nc: {<<: [*a], z: 4}\nd: *a\n"
    a = {"x": 1, "y": 2}
    assert read_document(text) == {"a": a, "b": {"x": 3, "y": 2}, "c": a | {"z": 4}, "d": a}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"{" * 90, "neither YAML nor JSON"),
        (b"{" * 5000, "more than 100 levels"),
        (b"[" * 1_000_000, "more than 100 levels"),
        (b"- " * 1_000_000, "more than 100 levels"),
        (b"{a: " * 500_000, "more than 100 levels"),
        (b"a: &a [*a]", "100 levels"),
        (b"a: {b: 1, b: 2}", "'b' is there 2 times"),
        (b"{'true': x, on: y}", "'true' is there twice"),
        (b"a: 1\n---\nb: 2\n", "neither YAML nor JSON"),
        (b"\xff\xfe\xfa", "neither YAML nor JSON"),
        (b"!!python/object/apply:os.system ['true']", "neither YAML nor JSON"),
        (b"!!bool maybe", "neither YAML nor JSON"),
        (b"!!int ''", "neither YAML nor JSON"),
        (b"!!timestamp x", "neither YAML nor JSON"),
        (b"!!binary aGk=", "a bytes is nothing that JSON has"),
        (b"!!set {a}", "a set is nothing"),
        (b"? [a]\n: b", "neither YAML nor JSON"),
        (b"1.5: x", "a key is a float"),
        (b"a: .nan", "no number"),
        (b"a: 0x" + b"f" * 10_000, "more than 64 bits"),
        (b"a: " + b"9" * 10_000, "neither YAML nor JSON"),
    ],
)
def test_refused(text: bytes, said: str) -> None:
    with pytest.raises(SourceError) as refused:
        read_document(text)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_too_long() -> None:
    with pytest.raises(SourceError, match="at most"):
        read_document(b" " * (MAX_BYTES + 1))


def test_keys_and_nulls() -> None:
    assert read_document(b"{200: a, on: b, null_: null, list: [null]}") == {
        "200": "a", "true": "b", "list": [None],
    }  # fmt: skip


@given(VALUES)
def test_what_json_has_comes_through(value: Any) -> None:
    """Nothing is lost but nulls of mappings, and what JSON does not have is refused."""
    try:
        found = plain(value)
    except SourceError:
        return
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert plain(found) == found


@given(st.binary(max_size=60) | st.text(alphabet="&*!<>{}[]:,-?'\"| \nab0", max_size=60))
def test_no_other_error(text: bytes | str) -> None:
    try:
        read_document(text if isinstance(text, bytes) else text.encode())
    except SourceError:
        return


@given(VALUES)
def test_no_other_error_for_generated_yaml(value: Any) -> None:
    try:
        read_document(yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass"))
    except SourceError:
        return
