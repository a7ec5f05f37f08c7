"""Which ports annotations list and Servers speak of."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Final, NamedTuple

from linkerd.index import Complaints
from linkerd.kube.objects import LabelSelector, ObjectMeta, SelectorError, Server, ServerSpec
from linkerd.mesh.labels import OPAQUE_PORTS
from linkerd.mesh.ports import PortSet, parse_ports
from services.destination.index.objects import Objects
from services.destination.model.mesh_settings import MeshSettings

_ANNOTATIONS: Final = 4_096  # that are remembered as parsed

Names = tuple[tuple[str, int], ...]
"""Port names in scope, with their numbers."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What facts are derived from."""

    mesh: MeshSettings
    objects: Objects
    complaints: Complaints


class Chosen(NamedTuple):
    """A kind of workload, and the selector by which Servers choose among these."""

    kind: str
    field: str
    selector: Callable[[ServerSpec], LabelSelector | None]


PODS: Final = Chosen("Pod", "podSelector", attrgetter("pod_selector"))
WORKLOADS: Final = Chosen(
    "ExternalWorkload", "externalWorkloadSelector", attrgetter("external_workload_selector")
)


def opaque_ports(
    inputs: Inputs,
    chosen: Chosen,
    metadata: ObjectMeta,
    names: Names,
    numbers: Callable[[str], Iterable[int]],
) -> PortSet:
    """The ports of a workload whose protocol is not detected: those that its annotation lists, or
    else the default ones; and those that Servers make so. `numbers` are what a Server may mean by
    the name of a port."""
    listed = listed_ports(inputs.complaints, chosen.kind, metadata, OPAQUE_PORTS, names)
    ports = inputs.mesh.opaque_ports if listed is None else listed
    return ports.with_ports(_server_ports(inputs, chosen, metadata, numbers))


def listed_ports(
    complaints: Complaints, kind: str, metadata: ObjectMeta, annotation: str, names: Names
) -> PortSet | None:
    """What an annotation lists; None when there is none."""
    text = metadata.annotations.get(annotation)
    if text is None:
        return None
    ports, invalid = _parse_ports(text, names)
    if invalid:
        problem = f"{invalid[0][:100]!r} is neither a port nor a range; skipped"
        complaints.about(kind, *metadata.key, annotation, problem)
    return ports


@lru_cache(_ANNOTATIONS)
def _parse_ports(text: str, names: Names) -> tuple[PortSet, tuple[str, ...]]:
    return parse_ports(text, dict(names))


def _server_ports(
    inputs: Inputs,
    chosen: Chosen,
    metadata: ObjectMeta,
    numbers: Callable[[str], Iterable[int]],
) -> Iterator[int]:
    servers = inputs.objects.opaque_servers.get(metadata.namespace)
    for server in servers.values() if servers else ():
        if _selects(inputs.complaints, server, chosen, metadata):
            port = server.spec.port
            yield from (port,) if isinstance(port, int) else numbers(port)


def _selects(complaints: Complaints, server: Server, chosen: Chosen, metadata: ObjectMeta) -> bool:
    selector = chosen.selector(server.spec)
    try:
        return selector is not None and selector.matches(metadata.labels)
    except SelectorError as error:
        problem = f"{error}; the Server is ignored"
        complaints.about("Server", *server.metadata.key, chosen.field, problem)
        return False
