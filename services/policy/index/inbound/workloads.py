"""Workloads: what policy reads of pods and ExternalWorkloads.

Pods that were made of one template are the same to policy, so they share a workload: what is
computed for it serves all of them.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final, Generic, NamedTuple, TypeVar

from linkerd.kube.objects import ExternalWorkload, Key, ObjectMeta
from linkerd.mesh.labels import DEFAULT_INBOUND_POLICY, OPAQUE_PORTS, REQUIRE_IDENTITY_PORTS
from linkerd.mesh.ports import MAX_PORT, NO_PORTS, PortSet
from linkerd.policy.default_policies import DefaultPolicy, parse_default_policy
from linkerd.policy.port_sets import parse_port_set
from services.policy.index.inbound.probes import probe_paths
from services.policy.index.inbound.selections import Selection
from services.policy.pods import Container, Pod, is_tcp

S = TypeVar("S")
V = TypeVar("V")

Complain = Callable[[str, str], object]
"""Of a part of the object, and what is wrong with it."""

_ALL_PORTS: Final = PortSet.of([(1, MAX_PORT)])
_ids: Final = count()


class Content(NamedTuple):
    """All that policy reads of a workload. `annotations` are the values of those that it knows, in
    their order; `ports` are those of an ExternalWorkload."""

    namespace: str
    is_external: bool
    labels: tuple[tuple[str, str], ...]
    annotations: tuple[str | None, ...]
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    ports: tuple[tuple[str, int], ...] = ()


def pod_content(pod: Pod) -> Content:
    """What policy reads of a pod."""
    meta, spec = pod.metadata, pod.spec
    labels, annotations = tuple(meta.labels.items()), _annotations(meta)
    return Content(
        meta.namespace, False, labels, annotations, spec.containers, spec.init_containers
    )


def external_content(workload: ExternalWorkload) -> Content:
    """What policy reads of an ExternalWorkload."""
    meta = workload.metadata
    ports = [(port.name, port.port) for port in workload.spec.ports if is_tcp(port.protocol)]
    labels, annotations = tuple(meta.labels.items()), _annotations(meta)
    return Content(meta.namespace, True, labels, annotations, ports=tuple(ports))


_ANNOTATIONS: Final = (DEFAULT_INBOUND_POLICY, OPAQUE_PORTS, REQUIRE_IDENTITY_PORTS)


def _annotations(meta: ObjectMeta) -> tuple[str | None, ...]:
    return tuple(meta.annotations.get(name) for name in _ANNOTATIONS)


@dataclass(frozen=True, slots=True)
class PortSettings:
    """What annotations say of ports. `default_policy` is None where they name none."""

    default_policy: DefaultPolicy | None = None
    opaque: PortSet = NO_PORTS
    identity_required: PortSet = NO_PORTS

    @classmethod
    def of(cls, annotations: Sequence[str | None], complain: Complain) -> "PortSettings":
        """Reads them. One that cannot be read counts as absent, but for that which closes ports:
        of those it closes all."""

        def read(
            name: str,
            parse: Callable[[str], V],
            absent: V,
            wrong: V,
            then: str = "counts as absent",
        ) -> V:
            text = annotations[_ANNOTATIONS.index(name)]
            try:
                return parse(text) if text is not None else absent
            except ValueError as error:
                complain(f"metadata.annotations[{name}]", f"{error}; it {then}")
                return wrong

        return cls(
            read(DEFAULT_INBOUND_POLICY, parse_default_policy, None, None),
            read(OPAQUE_PORTS, parse_port_set, NO_PORTS, NO_PORTS),
            read(REQUIRE_IDENTITY_PORTS, parse_port_set, NO_PORTS, _ALL_PORTS, "is for all ports"),
        )


class Workload:
    """All workloads with the same content: so many `members`. `selections` are of the Servers that
    select it, in the order of their rank. It outlives its members for those who follow it."""

    __slots__ = (
        "_named",
        "content",
        "id",
        "is_external",
        "labels",
        "members",
        "namespace",
        "probes",
        "selections",
        "settings",
    )

    def __init__(self, content: Content, labels: Mapping[str, str], complain: Complain) -> None:
        containers = (*content.containers, *content.init_containers)
        self.id = str(next(_ids))
        self.content = content
        self.namespace = content.namespace
        self.is_external = content.is_external
        self.labels = labels
        self.members = 0
        self.settings = PortSettings.of(content.annotations, complain)
        self.probes = probe_paths(containers)
        self.selections: tuple[Selection, ...] = ()
        self._named = _named(containers, content.ports)

    def numbers(self, port: int | str) -> Collection[int]:
        """The ports that a Server's `port` means here."""
        return (port,) if isinstance(port, int) else self._named.get(port, ())

    def servers_at(self, port: int) -> Iterator[str]:
        """The names of the Servers that select `port`, which belongs to the first of them."""
        return (each.name for each in self.selections if port in self.numbers(each.port))


class Member(Generic[S]):
    """A pod or ExternalWorkload, which is one of `workload` (None: it is gone), and who follows it:
    nobody, most often one, or many."""

    __slots__ = ("_streams", "key", "workload")

    def __init__(self, key: Key, workload: Workload) -> None:
        self.key = key
        self.workload: Workload | None = workload
        self._streams: S | dict[S, None] | None = None

    @property
    def streams(self) -> list[S]:
        """All who follow it."""
        streams = self._streams
        if streams is None:
            return []
        return list(streams) if isinstance(streams, dict) else [streams]

    def join(self, stream: S) -> None:
        """Somebody follows it."""
        streams = self._streams
        if streams is None:
            self._streams = stream
        elif isinstance(streams, dict):
            streams[stream] = None
        else:
            self._streams = {streams: None, stream: None}

    def leave(self, stream: S) -> None:
        """Somebody does no more."""
        if isinstance(self._streams, dict):
            self._streams.pop(stream, None)
        elif self._streams is stream:
            self._streams = None


def _named(
    containers: Iterable[Container], more: Iterable[tuple[str, int]]
) -> Mapping[str, Collection[int]]:
    """Port numbers by name, of which containers may have several."""
    found: dict[str, list[int]] = {}
    declared = (port for container in containers for port in container.ports)
    tcp = ((port.name, port.container_port) for port in declared if port.is_tcp)
    for name, number in (*tcp, *more):
        numbers = found.setdefault(name, [])
        if number not in numbers:
            numbers.append(number)
    found.pop("", None)
    return found
