"""Differences of documents, as merge patches, and where patches go."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.kube.controller.writes import OutdatedError, Patch, Writer, difference
from linkerd.kube.objects import ConfigMap
from linkerd.kube.resource import CONFIG_MAPS
from tests.support.clock import FakeClock
from tests.support.controllers.copies import original
from tests.support.controllers.store import Store
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


@pytest.mark.parametrize("served", ["v2", "v1"])
async def test_a_patch_goes_to_the_version_that_is_served(served: str) -> None:
    resource = msgspec.structs.replace(CONFIG_MAPS, versions=("v3", "v2", "v1"))
    there = msgspec.structs.replace(CONFIG_MAPS, versions=(served,))
    store = Store(FakeClock(), there)
    writer = Writer(store)
    store.put(there, original("one"))
    store.put(there, original("two"))
    for document in store.of(there):
        before = msgspec.convert(document, ConfigMap)
        made = await writer.send(Patch(resource, before, {"data": {"a": "1"}}))
        assert made is not None
        assert made.resource_version != before.metadata.resource_version
    assert [each["data"] for each in store.of(there)] == [{"a": "1"}] * 2
    gone = msgspec.convert(original("three"), ConfigMap)
    with pytest.raises(OutdatedError, match="three"):
        await writer.send(Patch(resource, gone, {"data": {"a": "1"}}))
