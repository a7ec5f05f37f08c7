"""What holds for every controller, for the smallest one."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from linkerd.kube.objects import Key
from linkerd.kube.resource import CONFIG_MAPS
from tests.support.controllers.copies import OF, Copies, desired, original
from tests.support.controllers.law import Act, Law, Step
from tests.support.controllers.store import Store

_NAMES = st.sampled_from(["a", "b"])
_COPIES = st.builds(lambda name, n: Key("ns", f"{name}-{n}"), _NAMES, st.integers(0, 2))


def _put(name: str, number: int, text: str) -> Act:
    made = original(name, copies=str(number), text=text)
    return lambda store: store.put(CONFIG_MAPS, made)


def _remove(key: Key) -> Act:
    return lambda store: store.remove(CONFIG_MAPS, key)


def _patch(key: Key, document: dict[str, Any]) -> Act:
    return lambda store: store.patch(CONFIG_MAPS, key, document)


def _check(store: Store) -> None:
    there = {Key("ns", each["metadata"]["name"]): each for each in store.of(CONFIG_MAPS)}
    copies = {key.name: each["data"] for key, each in there.items() if _is_copy(each)}
    assert copies == {
        name: data
        for key, each in there.items()
        if not _is_copy(each)
        for name, data in desired(key, each["data"]).items()
    }


def _is_copy(document: dict[str, Any]) -> bool:
    return OF in document["metadata"].get("labels", {})


LAW = Law(
    read=[CONFIG_MAPS],
    make=Copies,
    change=st.one_of(
        st.builds(_put, _NAMES, st.integers(0, 3), st.sampled_from("xy")),
        st.builds(lambda name: _remove(Key("ns", name)), _NAMES),
    ),
    damage=st.one_of(
        st.builds(_remove, _COPIES),
        st.builds(_patch, _COPIES, st.sampled_from([{"data": {"text": "z"}}, {"data": None}])),
        st.builds(_patch, _COPIES, st.just({"metadata": {"annotations": {"note": "mine"}}})),
    ),
    check=_check,
)


@hypothesis_settings(max_examples=80, deadline=None)
@given(LAW.histories())
def test_any_order_of_changes_and_failures_ends_as_planned(history: Sequence[Step]) -> None:
    LAW.ends_as_planned(history)


@hypothesis_settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(LAW.change, LAW.damage), max_size=10))
def test_each_change_is_written_once(changes: Sequence[Act]) -> None:
    LAW.writes_once(changes)


@hypothesis_settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(LAW.change, st.integers(0, 4), st.booleans()), max_size=12))
def test_no_plan_is_made_before_our_last_write_is_seen(
    changes: Sequence[tuple[Act, int, bool]],
) -> None:
    LAW.follows_its_own_writes(changes)
