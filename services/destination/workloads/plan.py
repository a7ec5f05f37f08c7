"""Which slices a Service should have, and the writes that lead there. No I/O.

Law: `plan` of what a plan leads to is empty.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from linkerd.kube.objects import (
    Endpoint,
    EndpointPort,
    EndpointSlice,
    ExternalWorkload,
    ObjectMeta,
    OwnerReference,
    Service,
)
from linkerd.mesh.labels import HEADLESS_SERVICE, SERVICE_NAME, SLICE_MANAGED_BY
from services.destination.workloads.endpoints import (
    Odd,
    endpoint_of,
    families_of,
    is_headless,
    ports_of,
)
from services.destination.workloads.names import MANAGER, RESERVED
from services.destination.workloads.packing import Box, pack

EXTERNAL_NAME: Final = "ExternalName"

Ports = tuple[EndpointPort, ...]


class Update(NamedTuple):
    """A slice as it is known and as it shall be; name, version and owner are the same."""

    before: EndpointSlice
    after: EndpointSlice


@dataclass(frozen=True, slots=True)
class Plan:
    """Writes, in the order in which to make them. Slices to create have no name yet."""

    create: tuple[EndpointSlice, ...] = ()
    update: tuple[Update, ...] = ()
    delete: tuple[EndpointSlice, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.create or self.update or self.delete)


def wants_slices(service: Service) -> bool:
    """Whether its endpoints are chosen by labels; somebody else's business otherwise."""
    return bool(service.spec.selector) and service.spec.type != EXTERNAL_NAME


def selects(service: Service, labels: Mapping[str, str]) -> bool:
    """Whether the service's selector chooses what has these labels."""
    return wants_slices(service) and (service.spec.selector or {}).items() <= labels.items()


def plan(
    service: Service,
    workloads: Iterable[ExternalWorkload],
    slices: Iterable[EndpointSlice],
    odd: Odd = lambda workload, part, problem: None,
) -> Plan:
    """What to write for a service, given workloads (the service's are chosen here) and the slices
    that we keep for it. `odd` hears of workloads that cannot be used as they are."""
    if not wants_slices(service):
        return Plan()
    chosen = [each for each in workloads if _chosen(service, each)]
    chosen.sort(key=lambda each: each.metadata.name)
    present = sorted(_living(slices), key=lambda each: each.metadata.name)
    families = families_of(service)
    plans = [_plan_family(service, chosen, family, present, odd) for family in families]
    return Plan(
        create=tuple(each for part in plans for each in part.create),
        update=tuple(each for part in plans for each in part.update),
        delete=(
            *(each for each in present if each.address_type not in families),
            *(each for part in plans for each in part.delete),
        ),
    )


def _chosen(service: Service, workload: ExternalWorkload) -> bool:
    metadata = workload.metadata
    return metadata.namespace == service.metadata.namespace and selects(service, metadata.labels)


def _living(slices: Iterable[EndpointSlice]) -> list[EndpointSlice]:
    return [each for each in slices if each.metadata.deletion_timestamp is None]


def _plan_family(
    service: Service,
    workloads: Sequence[ExternalWorkload],
    family: str,
    slices: Sequence[EndpointSlice],
    odd: Odd,
) -> Plan:
    """One family's part. Each list of ports has slices of its own; a slice that is not needed any
    more is taken for a new one, if there is to be one."""
    present = [each for each in slices if each.address_type == family]
    owned = [each for each in present if _is_owned(service, each)]
    update, delete, new = [], [], []
    for ports, endpoints, group in _groups(service, workloads, family, owned, odd):
        for box in pack(endpoints, group, lambda each: not _has_labels(service, each)):
            if box.slice is None:
                new.append((ports, box))
            elif not box.endpoints:
                delete.append(box.slice)
            elif box.changed:
                update.append(_updated(service, box.slice, ports, box))
    while new and delete:
        ports, box = new.pop(0)
        update.append(_updated(service, delete.pop(0), ports, box))
    going = service.metadata.deletion_timestamp is not None
    create = [] if going else [_created(service, family, ports, box) for ports, box in new]
    foreign = [each for each in present if not _is_owned(service, each)]
    return Plan(tuple(create), tuple(update), (*foreign, *delete))


def _groups(
    service: Service,
    workloads: Sequence[ExternalWorkload],
    family: str,
    slices: Sequence[EndpointSlice],
    odd: Odd,
) -> list[tuple[Ports, list[Endpoint], list[EndpointSlice]]]:
    """By list of ports: the endpoints that have it, and the slices that have it now."""
    groups: dict[Ports, tuple[Ports, list[Endpoint], list[EndpointSlice]]] = {}

    def group(ports: Ports) -> tuple[Ports, list[Endpoint], list[EndpointSlice]]:
        return groups.setdefault(tuple(sorted(ports, key=_port_order)), (ports, [], []))

    for workload in workloads:
        endpoint = endpoint_of(service, workload, family, odd)
        if endpoint is not None:
            group(ports_of(service, workload, odd))[1].append(endpoint)
    for each in slices:
        group(each.ports)[2].append(each)
    return list(groups.values())


def _port_order(port: EndpointPort) -> tuple[str, int, str, str]:
    return port.name, port.port or 0, port.protocol, port.app_protocol or ""


def _is_owned(service: Service, now: EndpointSlice) -> bool:
    """Whether this very service controls it, not one of the same name before it."""
    owners = now.metadata.owner_references
    return any(owner.controller and owner.uid == service.metadata.uid for owner in owners)


def labels_of(service: Service) -> dict[str, str]:
    """The labels of the service's slices."""
    metadata = service.metadata
    labels = {key: value for key, value in metadata.labels.items() if key not in RESERVED}
    labels |= {SERVICE_NAME: metadata.name, SLICE_MANAGED_BY: MANAGER}
    return labels | ({HEADLESS_SERVICE: ""} if is_headless(service) else {})


def _has_labels(service: Service, now: EndpointSlice) -> bool:
    """Whether a slice has its labels. Others on it may be anybody's and are no reason to write;
    but for the one that says headless, which is ours."""
    labels = now.metadata.labels
    return labels_of(service).items() <= labels.items() and (
        is_headless(service) or HEADLESS_SERVICE not in labels
    )


def _updated(service: Service, now: EndpointSlice, ports: Ports, box: Box) -> Update:
    metadata = msgspec.structs.replace(now.metadata, labels=labels_of(service))
    kept = now.ports if _same(now.ports, ports) else ports
    return Update(now, EndpointSlice(metadata, now.address_type, tuple(box.endpoints), kept))


def _same(ports: Ports, others: Ports) -> bool:
    return sorted(ports, key=_port_order) == sorted(others, key=_port_order)


def _created(service: Service, family: str, ports: Ports, box: Box) -> EndpointSlice:
    owner = service.metadata
    metadata = ObjectMeta(
        name="",
        namespace=owner.namespace,
        labels=labels_of(service),
        owner_references=(
            OwnerReference("Service", owner.name, api_version="v1", uid=owner.uid, controller=True),
        ),
    )
    return EndpointSlice(metadata, family, tuple(box.endpoints), ports)
