"""What holds for every controller, for the writer of statuses."""

from collections.abc import Sequence
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from linkerd.kube.objects import Key
from services.policy.index.kinds import Kind
from tests.support.controllers.law import Act, Law, Step
from tests.support.controllers.store import Store
from tests.support.policy.status_makers import KINDS, NAMESPACES, ROUTE_NAMES, manifest
from tests.support.policy.status_model import CONTROLLER, ROUTES
from tests.support.policy.status_writer import READ, Writer, check, put

_CONDITION = {"type": "Accepted", "status": "False", "reason": "No", "message": "no"}
_THEIRS = {
    "parentRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"},
    "controllerName": "example.test/gateways",
    "conditions": [{**_CONDITION, "lastTransitionTime": "2026-01-01T00:00:00Z"}],
}
_OURS = {**_THEIRS, "controllerName": CONTROLLER}
_DAMAGE: dict[bool, list[Any]] = {
    True: [
        {"status": None},
        {"status": {"parents": []}},
        {"status": {"parents": [_THEIRS]}},
        {"status": {"parents": [_OURS, _THEIRS]}},
        {"metadata": {"labels": {"note": "mine"}}},
    ],
    False: [
        {"status": None},
        {"status": {"conditions": _THEIRS["conditions"]}},
        {"metadata": {"labels": {"note": "mine"}}},
    ],
}


def _put(kinds: Sequence[Kind], seed: int) -> Act:
    random = Random(seed)
    documents = [(kind, manifest(kind, random)) for kind in kinds]

    def act(store: Store) -> None:
        for kind, document in documents:
            put(store, kind, document)

    return act


def _remove(kind: Kind, namespace: str, name: str) -> Act:
    return lambda store: store.remove(READ[kind], Key(namespace, name))


def _damage(kind: Kind, which: int, how: int) -> Act:
    harms = _DAMAGE[kind in ROUTES]

    def act(store: Store) -> None:
        there = store.of(READ[kind])
        if there:
            metadata = there[which % len(there)]["metadata"]
            key = Key(metadata["namespace"], metadata["name"])
            store.patch(READ[kind], key, harms[how % len(harms)])

    return act


def _one_of(kinds: Sequence[Kind]) -> st.SearchStrategy[Act]:
    return st.builds(_put, st.sampled_from([[each] for each in kinds]), st.integers(0, 2**32))


_SEVERAL = st.builds(
    _put, st.lists(st.sampled_from(KINDS), min_size=4, max_size=8), st.integers(0, 2**32)
)
_OF_WHAT_IS_NOT_WRITTEN = _one_of([Kind.SERVER, Kind.SERVICE])
_WRITTEN = (*ROUTES, Kind.RATE_LIMIT_POLICY, Kind.EGRESS_NETWORK)
LAW = Law(
    read=list(READ.values()),
    make=Writer,
    change=st.one_of(
        _SEVERAL,
        _one_of(KINDS),
        st.builds(
            _remove,
            st.sampled_from(KINDS),
            st.sampled_from(NAMESPACES),
            st.sampled_from((*ROUTE_NAMES, "one")),
        ),
    ),
    damage=st.builds(_damage, st.sampled_from(_WRITTEN), st.integers(0, 5), st.integers(0, 9)),
    check=check,
)


@hypothesis_settings(max_examples=40, deadline=None)
@given(LAW.histories())
def test_any_order_of_changes_and_failures_ends_as_planned(history: Sequence[Step]) -> None:
    LAW.ends_as_planned(history)


@hypothesis_settings(max_examples=20, deadline=None)
@given(st.lists(st.one_of(LAW.change, LAW.damage), max_size=10))
def test_each_change_is_written_once(changes: Sequence[Act]) -> None:
    LAW.writes_once(changes)


@hypothesis_settings(max_examples=30, deadline=None)
@given(_SEVERAL, st.lists(st.tuples(_OF_WHAT_IS_NOT_WRITTEN, st.integers(0, 4), st.booleans())))
def test_no_plan_is_made_before_our_last_write_is_seen(
    first: Act, changes: Sequence[tuple[Act, int, bool]]
) -> None:
    """People change what is written too, which may be refused then; here they do so at first."""
    LAW.follows_its_own_writes([(first, 100, False), *changes])
