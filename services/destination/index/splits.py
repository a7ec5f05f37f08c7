"""TrafficSplits of services: to whom clients' traffic really goes."""

from typing import Final

from linkerd.kube.objects import Key, TrafficSplit
from linkerd.mesh.names import is_dns_label, service_name
from services.destination.index.context import Context
from services.destination.index.translation import ProfileError, targets
from services.destination.model.routes import WeightedTarget

_KIND: Final = "TrafficSplit"
_BACKENDS: Final = "spec.backends"


def split_targets(context: Context, service: Key) -> tuple[WeightedTarget, ...]:
    """The shares that the service's split gives to other services of its namespace; nothing if
    there is no split, or none that means anything. Of several splits the oldest counts, and of
    equally old ones the first by name."""
    splits = context.objects.splits_of.get(service)
    if not splits:
        return ()
    first, *others = sorted(splits.values(), key=age)
    for other in others:
        problem = f"{service.name} is split by the older {first.metadata.name}; this is ignored"
        context.complaints.about(_KIND, *other.metadata.key, "spec.service", problem)
    try:
        return _targets(first, context.mesh.cluster_domain)
    except ProfileError as error:
        context.complaints.about(_KIND, *first.metadata.key, "spec", f"{error}; it is ignored")
        return ()


def _targets(split: TrafficSplit, domain: str) -> tuple[WeightedTarget, ...]:
    weights = []
    for backend in split.spec.backends:
        if not is_dns_label(backend.service):
            raise ProfileError(f"{_BACKENDS}: {backend.service[:100]!r} is no name of a service")
        name = service_name(backend.service, split.metadata.namespace, domain)
        weights.append((name, backend.weight))
    return targets(weights, _BACKENDS)


def age(split: TrafficSplit) -> tuple[str, str]:
    """What splits go by: the oldest first."""
    return split.metadata.creation_timestamp, split.metadata.name
