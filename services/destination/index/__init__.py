"""Events of the cluster in, states of topics out.

    objects ──> facts (what a workload is to the mesh) ─> parts (a slice's share of a port)
                      │                                   │ merged
                      v                                   v
               profiles ──> topics          ports ──> audiences (filtered) ──> topics

Linked clusters have objects, facts and parts of their own; their ports join ours where a service
says so. Everything right of `objects` exists only while somebody subscribes, and only what a change
touches is computed again. Everything is a function of the objects alone: whatever the order of
events, the states are those of a rebuild from scratch.
"""

from services.destination.index.errors import (
    AmbiguousIpError,
    MislabelledError,
    NotFoundError,
    NotReadError,
    NotServableError,
    TooManyPortsError,
    WatchError,
)
from services.destination.index.index import Index
from services.destination.index.objects import Kind

__all__ = [
    "AmbiguousIpError",
    "Index",
    "Kind",
    "MislabelledError",
    "NotFoundError",
    "NotReadError",
    "NotServableError",
    "TooManyPortsError",
    "WatchError",
]
