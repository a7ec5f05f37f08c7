"""The events of a store add up to the store."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from linkerd.kube.events import Applied, Deleted, Event
from linkerd.kube.objects import Key, ObjectMeta, PartialObject
from linkerd.kube.store import Store

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
            return store.retain({Key("ns", name) for name in names})
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
        assert replayed == dict(store.objects)


def test_a_new_uid_is_another_object() -> None:
    store: Store[PartialObject] = Store()
    store.put(_object("a", 1, "u"))
    assert store.put(_object("a", 2, "v")) == [
        Deleted(_object("a", 1, "u")),
        Applied(_object("a", 2, "v")),
    ]
