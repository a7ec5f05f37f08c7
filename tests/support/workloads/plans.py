"""For tests: services that choose machines, machines, and what a plan leads to."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any, Final

import msgspec

from linkerd.kube.objects import (
    EndpointSlice,
    ExternalWorkload,
    ExternalWorkloadSpec,
    MeshTLS,
    Service,
    ServicePort,
    ServiceSpec,
    WorkloadIP,
    WorkloadPort,
)
from linkerd.kube.objects.workload import Condition, ExternalWorkloadStatus
from services.destination.workloads.endpoints import IPV4, endpoint_of, families_of, ports_of
from services.destination.workloads.plan import Plan, plan
from tests.support.objects import meta

SELECTOR: Final[Mapping[str, str]] = {"app": "ledger"}
_names: Final = count(1)


def make_service(
    name: str = "ledger",
    namespace: str = "fin",
    *,
    ports: Iterable[ServicePort] = (ServicePort(80, name="http", target_port=8080),),
    selector: Mapping[str, str] | None = SELECTOR,
    families: tuple[str, ...] = (IPV4,),
    headless: bool = False,
    type: str = "ClusterIP",  # noqa: A002  # Kubernetes' name
    **metadata: Any,
) -> Service:
    """A service, by default of IPv4, that takes `http`, 80, to 8080 of what is labelled
    `app=ledger`."""
    spec = ServiceSpec(
        type=type,
        cluster_ip="None" if headless else "10.96.0.7",
        ports=tuple(ports),
        selector=selector,
        ip_families=families,
    )
    return Service(meta(name, namespace, **metadata), spec)


def machine(
    name: str,
    *ips: str,
    namespace: str = "fin",
    ports: Iterable[WorkloadPort] = (WorkloadPort(8080, name="http"),),
    labels: Mapping[str, str] | None = None,
    ready: bool | None = True,
    **metadata: Any,
) -> ExternalWorkload:
    """A workload labelled `app=ledger` that serves 8080, by default at 192.0.2.1; `labels` come on
    top. `ready` None: nobody has said."""
    spec = ExternalWorkloadSpec(
        MeshTLS("metal", "metal"), tuple(map(WorkloadIP, ips or ("192.0.2.1",))), tuple(ports)
    )
    conditions = () if ready is None else (Condition("Ready", str(ready)),)
    about = meta(name, namespace, labels={**SELECTOR, **(labels or {})}, **metadata)
    return ExternalWorkload(about, spec, ExternalWorkloadStatus(conditions))


def machines(number: int, **more: Any) -> list[ExternalWorkload]:
    """Workloads m000, m001 ... with addresses of their own."""
    return [machine(f"m{n:03}", f"10.7.{n // 250}.{n % 250 + 1}", **more) for n in range(number)]


def after(done: Plan, slices: Iterable[EndpointSlice] = ()) -> list[EndpointSlice]:
    """The slices once the plan has been carried out."""
    gone = {each.metadata.name for each in done.delete}
    changed = {each.before.metadata.name: each.after for each in done.update}
    kept = [
        changed.get(each.metadata.name, each) for each in slices if each.metadata.name not in gone
    ]
    return [*kept, *map(_named, done.create)]


def _named(each: EndpointSlice) -> EndpointSlice:
    metadata = meta(f"linkerd-external-{next(_names):06}", each.metadata.namespace)
    metadata = msgspec.structs.replace(
        metadata, labels=each.metadata.labels, owner_references=each.metadata.owner_references
    )
    return msgspec.structs.replace(each, metadata=metadata)


def made(service: Service, workloads: Sequence[ExternalWorkload]) -> list[EndpointSlice]:
    """The slices of a service that had none."""
    return after(plan(service, workloads, []))


def one(service: Service, *workloads: ExternalWorkload) -> EndpointSlice:
    """The only slice of a service that had none."""
    (only,) = made(service, workloads)
    return only


def sizes(slices: Sequence[EndpointSlice]) -> list[int]:
    """How many endpoints they hold, the least first."""
    return sorted(len(each.endpoints) for each in slices)


def counts(what: Plan) -> tuple[int, int, int]:
    """How many are created, updated, deleted."""
    return len(what.create), len(what.update), len(what.delete)


def names(now: EndpointSlice) -> list[str]:
    """The workloads in a slice."""
    return [each.target_ref.name for each in now.endpoints if each.target_ref]


def to_port(number: int | str) -> tuple[ServicePort, ...]:
    """The port `http`, 80, that leads there."""
    return (ServicePort(80, name="http", target_port=number),)


def holding(service: Service, name: str, *workloads: ExternalWorkload) -> EndpointSlice:
    """A slice of that name as the controller would have made it."""
    slice_ = one(service, *workloads)
    return msgspec.structs.replace(
        slice_, metadata=msgspec.structs.replace(slice_.metadata, name=name)
    )


def desired(service: Service, workloads: Sequence[ExternalWorkload]) -> Counter[object]:
    """Family, ports and endpoint of everything that should be there."""
    selector = service.spec.selector or {}
    return Counter(
        (family, frozenset(map(repr, ports_of(service, each, _ignore))), repr(endpoint))
        for family in families_of(service)
        for each in workloads
        if selector.items() <= each.metadata.labels.items()
        if (endpoint := endpoint_of(service, each, family, _ignore)) is not None
    )


def _ignore(_workload: ExternalWorkload, _part: str, _problem: str) -> None:
    pass


def present(slices: Sequence[EndpointSlice]) -> Counter[object]:
    """Family, ports and endpoint of everything that is there."""
    return Counter(
        (each.address_type, frozenset(map(repr, each.ports)), repr(endpoint))
        for each in slices
        for endpoint in each.endpoints
    )
