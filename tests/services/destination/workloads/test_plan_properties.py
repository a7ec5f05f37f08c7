"""What holds for every service, whatever slices there are: nobody is lost, nobody is there twice,
no slice is too large, and a plan leads to where there is nothing to plan."""

from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from linkerd.kube.objects import (
    EndpointSlice,
    ExternalWorkload,
    Service,
    ServicePort,
    WorkloadIP,
    WorkloadPort,
)
from services.destination.workloads.endpoints import FAMILIES, families_of
from services.destination.workloads.packing import MOST
from services.destination.workloads.plan import labels_of, plan
from tests.support.workloads.plans import after, desired, machine, make_service, present

_SERVICE = st.builds(
    lambda families, target, headless, labels: make_service(
        families=families,
        ports=(ServicePort(80, "http", target_port=target),),
        headless=headless,
        labels=labels,
    ),
    st.sampled_from([(), ("IPv4",), ("IPv6",), ("IPv6", "IPv4")]),
    st.sampled_from([8080, 8081, "web"]),
    st.booleans(),
    st.dictionaries(st.sampled_from(["team", "tier"]), st.sampled_from("ab"), max_size=2),
)

_IPS = st.sampled_from([("4",), ("6",), ("4", "6"), ("banana", "4"), ()])
_PORTS = st.sampled_from(
    [
        (WorkloadPort(8080, "web"),),
        (WorkloadPort(8081, "web"), WorkloadPort(8080, "old")),
        (WorkloadPort(9, "x"),),
    ]
)
_LABELS = st.sampled_from([{}, {}, {}, {"app": "other"}, {"topology.kubernetes.io/zone": "z1"}])
_KIND = st.tuples(_IPS, _PORTS, _LABELS, st.booleans())


@st.composite
def _crowd(draw: st.DrawFn) -> list[ExternalWorkload]:
    """Up to some hundreds of machines of a few sorts."""
    found = []
    blocks = draw(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 120), _KIND), max_size=4))
    taken: set[int] = set()
    for first, number, (ips, ports, labels, ready) in blocks:
        for n in range(first, first + number):
            if n not in taken:
                taken.add(n)
                found.append(_machine(n, ips, ports, labels, ready=ready))
    return found


def _machine(
    n: int,
    ips: Sequence[str],
    ports: tuple[WorkloadPort, ...],
    labels: dict[str, str],
    *,
    ready: bool,
) -> ExternalWorkload:
    known = {"4": f"10.7.{n // 250}.{n % 250 + 1}", "6": f"2001:db8::{n + 1:x}"}
    made = machine(f"m{n:03}", "-", ports=ports, labels=labels, ready=ready)
    addresses = tuple(WorkloadIP(known.get(ip, ip)) for ip in ips)
    spec = msgspec.structs.replace(made.spec, workload_ips=addresses)
    return msgspec.structs.replace(made, spec=spec)


def _check(
    service: Service, workloads: list[ExternalWorkload], slices: list[EndpointSlice]
) -> list[EndpointSlice]:
    change = plan(service, workloads, slices)
    now = after(change, slices)
    assert present(now) == desired(service, workloads)
    assert all(0 < len(each.endpoints) <= MOST for each in now)
    assert all(labels_of(service).items() <= each.metadata.labels.items() for each in now)
    assert not plan(service, workloads, now)
    assert not plan(service, workloads[::-1], now[::-1])
    touched = [each.metadata.name for each in change.delete]
    touched += [each.before.metadata.name for each in change.update]
    assert len(touched) == len(set(touched))
    assert all(each.before != each.after for each in change.update)
    assert not (change.create and change.delete and _could_be_reused(service, slices))
    return now


def _could_be_reused(service: Service, slices: Sequence[EndpointSlice]) -> bool:
    """Whether all slices are of the one family that the service has, and its own."""
    families = families_of(service)
    return len(families) == 1 and all(
        each.address_type == families[0]
        and any(o.uid == service.metadata.uid for o in each.metadata.owner_references)
        for each in slices
    )


@hypothesis_settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(_SERVICE, _crowd()), min_size=1, max_size=4))
def test_a_history_of_plans(history: list[tuple[Service, list[ExternalWorkload]]]) -> None:
    """Each state planned from the slices of the one before."""
    slices: list[EndpointSlice] = []
    for service, workloads in history:
        slices = _check(service, workloads, slices)


@hypothesis_settings(max_examples=80, deadline=None)
@given(_SERVICE, _crowd(), st.data())
def test_slices_that_somebody_spoiled(
    service: Service, workloads: list[ExternalWorkload], data: st.DataObject
) -> None:
    slices = after(plan(service, workloads, []))
    spoiled = [_spoil(each, data.draw(st.integers(0, 6))) for each in slices]
    doubled = [*spoiled, *after(plan(service, workloads[:50], []))]
    _check(service, workloads, doubled)


def _spoil(now: EndpointSlice, how: int) -> EndpointSlice:
    metadata = now.metadata
    match how:
        case 0:
            return msgspec.structs.replace(now, endpoints=())
        case 1:
            return msgspec.structs.replace(now, endpoints=now.endpoints * 2)
        case 2:
            return msgspec.structs.replace(now, ports=())
        case 3:
            other = FAMILIES[now.address_type == FAMILIES[0]]
            return msgspec.structs.replace(now, address_type=other)
        case 4:
            metadata = msgspec.structs.replace(metadata, owner_references=())
        case 5:
            metadata = msgspec.structs.replace(metadata, labels={})
    return msgspec.structs.replace(now, metadata=metadata)


@hypothesis_settings(max_examples=80, deadline=None)
@given(_SERVICE, _crowd(), st.integers(0, 400))
def test_one_machine_less_is_one_write_a_family(
    service: Service, workloads: list[ExternalWorkload], which: int
) -> None:
    slices = after(plan(service, workloads, []))
    rest = [each for each in workloads if each.metadata.name != f"m{which:03}"]
    change = plan(service, rest, slices)
    assert len(change.update) + len(change.delete) <= len(families_of(service))
    assert not change.create
