"""What holds for every controller, for the one of slices."""

from collections.abc import Sequence
from typing import Any, cast

import msgspec
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from linkerd.kube.client import KubeClient
from linkerd.kube.objects import EndpointSlice, ExternalWorkload, Key, Service
from linkerd.kube.resource import ENDPOINT_SLICES, EXTERNAL_WORKLOADS, SERVICES, Resource
from services.destination.workloads import WorkloadSlices
from services.destination.workloads.plan import wants_slices
from tests.support.controllers.law import Act, Law, Step
from tests.support.controllers.store import Store
from tests.support.workloads.plans import desired, machine, make_service, present, to_port

_MACHINES = st.sampled_from(["m1", "m2", "m3"])
_SERVICES = st.sampled_from(["ledger", "till"])


def _put(resource: Resource[Any], made: Service | ExternalWorkload) -> Act:
    return lambda store: store.put(resource, msgspec.to_builtins(made))


def _service(name: str, target: int, app: str | None, team: str) -> Act:
    selector = {"app": app} if app else None
    labels = {"team": team}
    return _put(
        SERVICES, make_service(name, ports=to_port(target), selector=selector, labels=labels)
    )


def _machine(name: str, ip: int, app: str, ready: bool) -> Act:  # drawn
    labels = {"app": app}
    return _put(EXTERNAL_WORKLOADS, machine(name, f"192.0.2.{ip}", labels=labels, ready=ready))


def _remove(resource: Resource[Any], name: str) -> Act:
    return lambda store: store.remove(resource, Key("fin", name))


def _damage(which: int, document: dict[str, Any] | None) -> Act:
    def act(store: Store) -> None:
        slices = store.of(ENDPOINT_SLICES)
        if not slices:
            return
        key = Key("fin", slices[which % len(slices)]["metadata"]["name"])
        if document is None:
            store.remove(ENDPOINT_SLICES, key)
        else:
            store.patch(ENDPOINT_SLICES, key, document)

    return act


def _check(store: Store) -> None:
    workloads = msgspec.convert(store.of(EXTERNAL_WORKLOADS), list[ExternalWorkload])
    slices = msgspec.convert(store.of(ENDPOINT_SLICES), list[EndpointSlice])
    owners = [each.metadata.owner_references[0].uid for each in slices]
    for each in msgspec.convert(store.of(SERVICES), list[Service]):
        of_it = zip(slices, owners, strict=True)
        mine = [slice_ for slice_, owner in of_it if owner == each.metadata.uid]
        if wants_slices(each):
            assert present(mine) == desired(each, workloads)


LAW = Law(
    read=[SERVICES, EXTERNAL_WORKLOADS, ENDPOINT_SLICES],
    make=lambda client, clock, registry: WorkloadSlices(
        cast("KubeClient", client), "linkerd", "me", clock, registry
    ),
    change=st.one_of(
        st.builds(
            _service,
            _SERVICES,
            st.sampled_from([8080, 8081]),
            st.sampled_from(["ledger", "ledger", "till", None]),
            st.sampled_from("ab"),
        ),
        st.builds(
            _machine,
            _MACHINES,
            st.integers(1, 2),
            st.sampled_from(["ledger", "ledger", "till"]),
            st.booleans(),
        ),
        st.builds(lambda name: _remove(SERVICES, name), _SERVICES),
        st.builds(lambda name: _remove(EXTERNAL_WORKLOADS, name), _MACHINES),
    ),
    damage=st.builds(
        _damage,
        st.integers(0, 3),
        st.sampled_from(
            [
                None,
                {"endpoints": []},
                {"ports": []},
                {"metadata": {"labels": {"team": "evil"}}},
                {"metadata": {"annotations": {"note": "mine"}}},
            ]
        ),
    ),
    check=_check,
)


@hypothesis_settings(max_examples=40, deadline=None)
@given(LAW.histories())
def test_any_order_of_changes_and_failures_ends_as_planned(history: Sequence[Step]) -> None:
    LAW.ends_as_planned(history)


@hypothesis_settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(LAW.change, LAW.damage), max_size=10))
def test_each_change_is_written_once(changes: Sequence[Act]) -> None:
    LAW.writes_once(changes)


@hypothesis_settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(LAW.change, st.integers(0, 4), st.booleans()), max_size=12))
def test_no_plan_is_made_before_our_last_write_is_seen(
    changes: Sequence[tuple[Act, int, bool]],
) -> None:
    LAW.follows_its_own_writes(changes)
