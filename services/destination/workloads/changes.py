"""Which services an event concerns."""

from collections.abc import Iterable

from linkerd.kube.objects import ExternalWorkload, Service
from linkerd.mesh.labels import TOPOLOGY_ZONE
from services.destination.workloads.plan import selects


def spec_changed(old: ExternalWorkload, new: ExternalWorkload) -> bool:
    """Whether endpoints of the workload look different now. Labels choose services, which is
    another matter; but for the zone's, which endpoints carry."""
    return _appearance(old) != _appearance(new)


def _appearance(workload: ExternalWorkload) -> tuple[object, ...]:
    metadata, spec = workload.metadata, workload.spec
    return (
        metadata.deletion_timestamp,
        workload.ready,
        [each.ip for each in spec.workload_ips],
        {(each.port, each.name, each.protocol) for each in spec.ports},
        metadata.labels.get(TOPOLOGY_ZONE),
    )


def concerned(
    old: ExternalWorkload | None, new: ExternalWorkload | None, services: Iterable[Service]
) -> set[str]:
    """The names of the services, of those of the workload's namespace, that have to look again
    because it was created (`old` None), changed, or deleted (`new` None)."""
    if old is not None and new is not None:
        return _concerned_by_change(old, new, list(services))
    workload = old or new
    return _selecting(workload, services) if workload is not None else set()


def _concerned_by_change(
    old: ExternalWorkload, new: ExternalWorkload, services: list[Service]
) -> set[str]:
    if old.metadata.resource_version == new.metadata.resource_version:
        return set()
    now = _selecting(new, services)
    labels_changed = old.metadata.labels != new.metadata.labels
    before = _selecting(old, services) if labels_changed else now
    return now | before if spec_changed(old, new) else now ^ before


def _selecting(workload: ExternalWorkload, services: Iterable[Service]) -> set[str]:
    labels = workload.metadata.labels
    return {each.metadata.name for each in services if selects(each, labels)}
