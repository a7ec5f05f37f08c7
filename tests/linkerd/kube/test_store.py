"""The events of a store add up to the store."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from linkerd.kube.events import Applied, Deleted, Event
from linkerd.kube.objects import Key, ObjectMeta, PartialObject
from linkerd.kube.store import KeySet, Store

_NAMES = st.sampled_from(["a", "b", "c"])
_PUT = st.tuples(st.just("put"), _NAMES, st.integers(1, 4), st.sampled_from(["u", "v"]))
_REMOVE = st.tuples(st.just("remove"), _NAMES)
_RETAIN = st.tuples(st.just("retain"), st.sets(_NAMES))


def _object(name: str, version: int = 1, uid: str = "u") -> PartialObject:
    meta = ObjectMeta(name=name, namespace="ns", uid=uid, resource_version=str(version))
    return PartialObject(metadata=meta)


def _do(store: Store[PartialObject], step: tuple[Any, ...]) -> list[Event[PartialObject]]:
    match step:
        case ("put", name, version, uid):
            return store.put(_object(name, version, uid))
        case ("remove", name):
            return store.remove(Key("ns", name))
        case ("retain", names):
            kept = KeySet()
            for each in names:
                kept.add("ns", each)
            return [event for key in store.besides(kept) for event in store.remove(key)]
    raise AssertionError(step)


@given(st.lists(_PUT | _REMOVE | _RETAIN))
def test_events_replayed_give_the_store(steps: list[tuple[Any, ...]]) -> None:
    store: Store[PartialObject] = Store()
    replayed: dict[Key, PartialObject] = {}
    for step in steps:
        for event in _do(store, step):
            key = event.object.metadata.key
            if isinstance(event, Applied):
                assert replayed.get(key) != event.object
                replayed[key] = event.object
            else:
                assert replayed.pop(key) == event.object
        assert replayed == dict(store)


def test_a_new_uid_is_another_object() -> None:
    store: Store[PartialObject] = Store()
    store.put(_object("a", 1, "u"))
    assert store.put(_object("a", 2, "v")) == [
        Deleted(_object("a", 1, "u")),
        Applied(_object("a", 2, "v")),
    ]


def test_objects_of_one_name_in_several_namespaces() -> None:
    store: Store[PartialObject] = Store()
    metas = [ObjectMeta(name="a", namespace=where, uid=where) for where in ("", "ns", "other")]
    for meta in metas:
        store.put(PartialObject(metadata=meta))
    assert list(store) == [meta.key for meta in metas]
    assert len(store) == 3
    kept = KeySet()
    kept.add("ns", "a")
    assert list(store.besides(kept)) == [Key("", "a"), Key("other", "a")]
    told = [event for key in store.besides(kept) for event in store.remove(key)]
    assert told == [Deleted(PartialObject(metadata=meta)) for meta in (metas[0], metas[2])]
    assert list(store) == [Key("ns", "a")]
    assert Key("other", "a") not in store
    assert store.remove(Key("other", "a")) == []


def test_all_states_of_an_object_share_its_name() -> None:
    store: Store[PartialObject] = Store()
    first, later = _object("-".join(["a", "b"])), _object("-".join(["a", "b"]), 2)
    assert first.metadata.name is not later.metadata.name
    store.put(first)
    store.put(later)
    assert store[Key("ns", "a-b")].metadata.name is first.metadata.name
