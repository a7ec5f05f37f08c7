"""Which kinds the index is fed with, and where the API server keeps them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from linkerd.kube.events import Event
from linkerd.kube.resource import (
    ENDPOINT_SLICES,
    ENDPOINTS,
    EXTERNAL_WORKLOADS,
    JOBS,
    NODES,
    PODS,
    REPLICA_SETS,
    SERVERS,
    SERVICE_PROFILES,
    SERVICES,
    TRAFFIC_SPLITS,
    Resource,
)
from services.destination.index import Kind

Listener = Callable[[Sequence[Event[Any]]], None]

_ALWAYS: Final[Mapping[Kind, Resource[Any]]] = {
    Kind.SERVICE: SERVICES,
    Kind.POD: PODS,
    Kind.NODE: NODES,
    Kind.REPLICA_SET: REPLICA_SETS,
    Kind.JOB: JOBS,
    Kind.EXTERNAL_WORKLOAD: EXTERNAL_WORKLOADS,
    Kind.SERVER: SERVERS,
    Kind.PROFILE: SERVICE_PROFILES,
    Kind.SPLIT: TRAFFIC_SPLITS,
}
OPTIONAL: Final = frozenset({Kind.EXTERNAL_WORKLOAD, Kind.SERVER, Kind.PROFILE, Kind.SPLIT})
"""Kinds whose definition may not be installed; there are none of them then."""

FOREIGN: Final = frozenset({Kind.SPLIT})
"""Kinds of other projects, which we may not be allowed to read; there are none of them then."""


_ONLY_OURS: Final = frozenset({Kind.NODE, Kind.EXTERNAL_WORKLOAD, Kind.PROFILE, Kind.SPLIT})


def sources(*, slices: bool) -> Mapping[Kind, Resource[Any]]:
    """What to read: endpoints from EndpointSlices or else from Endpoints, never from both."""
    where = {Kind.SLICE: ENDPOINT_SLICES} if slices else {Kind.ENDPOINTS: ENDPOINTS}
    return {**_ALWAYS, **where}


def linked_sources(*, slices: bool) -> Mapping[Kind, Resource[Any]]:
    """What to read of a linked cluster: what its endpoints are made of."""
    return {k: where for k, where in sources(slices=slices).items() if k not in _ONLY_OURS}


def chained(first: Listener, second: Listener | None) -> Listener:
    """Both, one after the other."""
    if second is None:
        return first

    def both(events: Sequence[Event[Any]]) -> None:
        first(events)
        second(events)

    return both
