"""Which kinds the index is fed with, of our cluster and of linked ones."""

from collections.abc import Mapping
from typing import Any, Final

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
from services.destination.pods import Pod

_ANYWHERE: Final[Mapping[Kind, Resource[Any]]] = {
    Kind.SERVICE: SERVICES,
    Kind.POD: PODS.into(Pod),
    Kind.REPLICA_SET: REPLICA_SETS,
    Kind.JOB: JOBS,
    Kind.SERVER: SERVERS,
}
_ONLY_OURS: Final[Mapping[Kind, Resource[Any]]] = {
    Kind.NODE: NODES,
    Kind.EXTERNAL_WORKLOAD: EXTERNAL_WORKLOADS,
    Kind.PROFILE: SERVICE_PROFILES,
    Kind.SPLIT: TRAFFIC_SPLITS,
}
_DISPENSABLE: Final = frozenset({Kind.REPLICA_SET, Kind.JOB, Kind.SERVER})
"""What an older link may not be allowed to read, or an older cluster not have."""


def resources(*, slices: bool) -> Mapping[Kind, Resource[Any]]:
    """What to read: endpoints from EndpointSlices or else from Endpoints, never from both."""
    return {**_ANYWHERE, **_ONLY_OURS, **_endpoints(slices=slices)}


def linked_resources(*, slices: bool) -> Mapping[Kind, Resource[Any]]:
    """What to read of a linked cluster: what its endpoints are made of."""
    found = {**_ANYWHERE, **_endpoints(slices=slices)}
    return {k: where.dispensable() if k in _DISPENSABLE else where for k, where in found.items()}


def _endpoints(*, slices: bool) -> Mapping[Kind, Resource[Any]]:
    return {Kind.SLICE: ENDPOINT_SLICES} if slices else {Kind.ENDPOINTS: ENDPOINTS}
