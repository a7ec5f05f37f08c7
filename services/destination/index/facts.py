"""What a pod is to the mesh: everything about it that answers need, derived once per change.

Facts are kept for the pods that answers refer to, and only for those. When a pod, its owner or a
Server of its namespace changes, its facts are derived again, and only if they differ do the answers
hear of it; most changes of pods end here.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from linkerd.kube.objects import Container, Key, Pod, SelectorError, Server
from linkerd.labels import (
    CONTROL_PLANE_NS,
    OPAQUE_PORTS,
    POD_TEMPLATE_HASH,
    PROXY_ADMIN_LISTEN_ADDR,
    PROXY_CONTAINER,
    PROXY_CONTROL_LISTEN_ADDR,
    PROXY_INBOUND_LISTEN_ADDR,
    SKIP_INBOUND_PORTS,
)
from linkerd.runtime.values import parse_host_port
from services.destination.index import dependencies as on
from services.destination.index.dependencies import Dependencies, Dependent, Subject
from services.destination.index.objects import Objects
from services.destination.index.report import Complaints
from services.destination.model.address import Labels, TlsIdentity
from services.destination.model.mesh import Mesh
from services.destination.model.ports import NO_PORTS, PortSet, parse_ports

_WORKLOADS: Final = 4_096  # whose containers and annotations are remembered as parsed
_Names = tuple[tuple[str, int], ...]
_OWNERS_OF_REPLICA_SETS: Final = frozenset({"Job", "StatefulSet", "DaemonSet", "Deployment"})


@dataclass(frozen=True, slots=True)
class ProxyPorts:
    """Where the pod's proxy listens; None where its container does not say it plainly."""

    inbound: int | None = None
    admin: int | None = None
    control: int | None = None


@dataclass(frozen=True, slots=True)
class PodFacts:
    """`labels` are metric labels; `opaque` and `skipped` are ports of the pod; `meshed` means that
    some control plane's proxy is in it."""

    key: Key
    node: str
    running: bool
    labels: Labels
    meshed: bool
    identity: TlsIdentity | None
    proxy: ProxyPorts
    opaque: PortSet
    skipped: PortSet


class _Entry(Dependent):
    """The facts of one pod; None while there is no such pod."""

    __slots__ = ("_book", "facts", "key")

    def __init__(self, book: "FactsBook", key: Key) -> None:
        super().__init__()
        self._book = book
        self.key = key
        self.facts: PodFacts | None = None

    def touch(self) -> None:
        self._book.outdated[self] = None


class FactsBook:
    """The facts of all pods that answers refer to."""

    def __init__(
        self, mesh: Mesh, objects: Objects, dependencies: Dependencies, complaints: Complaints
    ) -> None:
        self._mesh = mesh
        self._objects = objects
        self._dependencies = dependencies
        self._complaints = complaints
        self._entries: dict[Key, _Entry] = {}
        self.outdated: dict[_Entry, None] = {}

    def of(self, key: Key) -> PodFacts | None:
        """The facts of a pod, None if there is no such pod. Whoever asks must watch
        `on.facts(...)` by the end of its computation; that is what keeps the entry."""
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(self, key)
            entry.facts = self._derive(entry)
        return entry.facts

    def drop(self, key: Key) -> None:
        """Nobody refers to this pod any more."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.outdated.pop(entry, None)
            self._dependencies.watch(entry, frozenset())

    def refresh(self) -> None:
        """Derives again what is out of date and touches those whom a difference concerns."""
        outdated, self.outdated = self.outdated, {}
        for entry in outdated:
            with self._complaints.guarding(entry.key):
                facts = self._derive(entry)
                if facts != entry.facts:
                    entry.facts = facts
                    self._dependencies.touch(on.facts(*entry.key))

    def __len__(self) -> int:
        return len(self._entries)

    def _derive(self, entry: _Entry) -> PodFacts | None:
        pod = self._objects.pods.get(entry.key)
        subjects: set[Subject] = {on.pod(*entry.key), on.servers(entry.key.namespace)}
        if pod is not None and len(pod.metadata.owner_references) == 1:
            reference = pod.metadata.owner_references[0]
            subjects.add(on.owner(reference.kind, entry.key.namespace, reference.name))
        self._dependencies.watch(entry, subjects)
        if pod is None:
            self._complaints.forget("Pod", *entry.key)
            return None
        return self._facts(pod)

    def _facts(self, pod: Pod) -> PodFacts:
        control_plane = pod.metadata.labels.get(CONTROL_PLANE_NS, "")
        return PodFacts(
            key=pod.metadata.key,
            node=pod.spec.node_name,
            running=pod.status.phase == "Running",
            labels=_labels(pod, *owner_of(pod, self._objects)),
            meshed=control_plane != "",
            identity=self._identity(pod, control_plane),
            proxy=_container_facts(pod.spec.init_containers, pod.spec.containers).proxy,
            opaque=self._opaque_ports(pod).with_ports(self._server_ports(pod)),
            skipped=self._listed_ports(pod, SKIP_INBOUND_PORTS, ()) or NO_PORTS,
        )

    def _identity(self, pod: Pod, control_plane: str) -> TlsIdentity | None:
        identities = self._mesh.identities
        if not identities.trust_domain or control_plane != identities.controller_namespace:
            return None
        name = identities.workload(service_account(pod), pod.metadata.namespace)
        return TlsIdentity(name, server_name=name)

    def _opaque_ports(self, pod: Pod) -> PortSet:
        names = _container_facts(pod.spec.init_containers, pod.spec.containers).port_names
        listed = self._listed_ports(pod, OPAQUE_PORTS, names)
        return self._mesh.opaque_ports if listed is None else listed

    def _listed_ports(self, pod: Pod, annotation: str, names: _Names) -> PortSet | None:
        text = pod.metadata.annotations.get(annotation)
        if text is None:
            return None
        ports, invalid = _parse_ports(text, names)
        if invalid:
            problem = f"{invalid[0][:100]!r} is neither a port nor a range; skipped"
            self._complaints.about("Pod", *pod.metadata.key, annotation, problem)
        return ports

    def _server_ports(self, pod: Pod) -> list[int]:
        """The ports that Servers make opaque."""
        servers = self._objects.opaque_servers.get(pod.metadata.namespace, {})
        return [
            port
            for server in servers.values()
            if self._selects(server, pod)
            for port in _server_ports(server, pod)
        ]

    def _selects(self, server: Server, pod: Pod) -> bool:
        selector = server.spec.pod_selector
        try:
            return selector is not None and selector.matches(pod.metadata.labels)
        except SelectorError as error:
            problem = f"{error}; the Server is ignored"
            self._complaints.about("Server", *server.metadata.key, "podSelector", problem)
            return False


def service_account(pod: Pod) -> str:
    """The pod's ServiceAccount."""
    return pod.spec.service_account_name or "default"


def owner_of(pod: Pod, objects: Objects) -> tuple[str, str]:
    """Kind (lower case) and name of the workload that the pod belongs to; of a pod on its own, the
    pod. ReplicaSets and Jobs are looked through to what made them."""
    references = pod.metadata.owner_references
    if len(references) != 1:
        return "pod", pod.metadata.name
    kind, name = references[0].kind, references[0].name
    above = objects.owner(kind, Key(pod.metadata.namespace, name))
    if above is not None and (kind == "Job" or above.kind in _OWNERS_OF_REPLICA_SETS):
        kind, name = above.kind, above.name
    return kind.lower(), name


def _labels(pod: Pod, owner_kind: str, owner_name: str) -> Labels:
    labels = {
        "pod": pod.metadata.name,
        "k8s_job" if owner_kind == "job" else owner_kind: owner_name,
        "serviceaccount": service_account(pod),
    }
    for label, key in (
        ("control_plane_ns", CONTROL_PLANE_NS),
        ("pod_template_hash", POD_TEMPLATE_HASH),
    ):
        if key in pod.metadata.labels:
            labels[label] = pod.metadata.labels[key]
    return tuple(labels.items())


@dataclass(frozen=True, slots=True)
class _ContainerFacts:
    """What the containers of a pod say; all pods of a workload have the same ones."""

    proxy: ProxyPorts
    port_names: _Names


@lru_cache(_WORKLOADS)
def _container_facts(
    init_containers: tuple[Container, ...], containers: tuple[Container, ...]
) -> _ContainerFacts:
    every = (*init_containers, *containers)
    ports = [port for container in every for port in container.ports]
    names = {port.name: port.container_port for port in ports if port.name}  # the last one counts
    return _ContainerFacts(_proxy_ports(every), tuple(names.items()))


@lru_cache(_WORKLOADS)
def _parse_ports(text: str, names: _Names) -> tuple[PortSet, tuple[str, ...]]:
    return parse_ports(text, dict(names))


def _server_ports(server: Server, pod: Pod) -> list[int]:
    """The numbers that a Server's port means in a pod; by name it is also the node's port."""
    wanted = server.spec.port
    if isinstance(wanted, int):
        return [wanted]
    return [
        number
        for container in (*pod.spec.init_containers, *pod.spec.containers)
        for port in container.ports
        if port.name == wanted
        for number in (port.container_port, port.host_port)
        if number
    ]


def _proxy_ports(containers: tuple[Container, ...]) -> ProxyPorts:
    proxy = next((item for item in containers if item.name == PROXY_CONTAINER), None)
    if proxy is None:
        return ProxyPorts()
    return ProxyPorts(
        inbound=_listen_port(proxy, PROXY_INBOUND_LISTEN_ADDR) or None,
        admin=_listen_port(proxy, PROXY_ADMIN_LISTEN_ADDR),
        control=_listen_port(proxy, PROXY_CONTROL_LISTEN_ADDR),
    )


def _listen_port(proxy: Container, variable: str) -> int | None:
    text = proxy.variable(variable)
    try:
        return None if text is None else parse_host_port(text).port
    except ValueError:
        return None
