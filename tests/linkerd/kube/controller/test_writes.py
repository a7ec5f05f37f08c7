"""Differences of documents, as merge patches."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from linkerd.kube.controller.writes import difference
from tests.support.merge_patch import merged

_NAMES = st.sampled_from("abc")
_LEAF = st.one_of(
    st.integers(0, 2), st.text("xy", max_size=1), st.lists(st.integers(0, 2), max_size=2)
)
_DOCUMENTS = st.dictionaries(
    _NAMES,
    st.recursive(_LEAF, lambda inner: st.dictionaries(_NAMES, inner, max_size=3), max_leaves=6),
    max_size=3,
)


def test_what_differs_is_named_alone() -> None:
    before = {"labels": {"a": "1", "b": "2"}, "ports": [80], "kept": {"x": 1}}
    after = {"labels": {"a": "1", "c": "3"}, "ports": [80, 81], "kept": {"x": 1}}
    assert difference(before, after) == {"labels": {"b": None, "c": "3"}, "ports": [80, 81]}


@given(_DOCUMENTS, _DOCUMENTS)
def test_it_leads_from_one_to_the_other_and_is_empty_when_they_are_the_same(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    patch = difference(before, after)
    assert merged(before, patch) == after
    assert bool(patch) == (before != after)
