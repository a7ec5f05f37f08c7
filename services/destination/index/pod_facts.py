"""What a pod is to the mesh."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Final

import msgspec

from linkerd.kube.objects import Key
from linkerd.mesh.labels import (
    CONTROL_PLANE_NS,
    POD_TEMPLATE_HASH,
    SKIP_INBOUND_PORTS,
)
from linkerd.mesh.metric_labels import is_label_name, label_value
from linkerd.mesh.names import is_dns_name
from linkerd.mesh.ports import NO_PORTS, PortSet
from linkerd.mesh.proxy import (
    INBOUND_PORTS,
    PROXY_ADMIN_LISTEN_ADDR,
    PROXY_CONTAINER,
    PROXY_CONTROL_LISTEN_ADDR,
    PROXY_INBOUND_LISTEN_ADDR,
)
from linkerd.runtime.values import parse_host_port
from services.destination.index.objects import Objects
from services.destination.index.opaque_ports import PODS, Inputs, Names, listed_ports, opaque_ports
from services.destination.model.address import Labels, TlsIdentity, WorkloadKey
from services.destination.pods import Container, Pod

_WORKLOADS: Final = 4_096  # whose containers are remembered as parsed
_OWNERS_OF_REPLICA_SETS: Final = frozenset({"Job", "StatefulSet", "DaemonSet", "Deployment"})


@dataclass(frozen=True, slots=True)
class ProxyPorts:
    """Where the pod's proxy listens; None where its container does not say it plainly."""

    inbound: int | None = None
    admin: int | None = None
    control: int | None = None


class PodFacts(msgspec.Struct, frozen=True, gc=False):
    """`labels` are metric labels; `opaque` and `skipped` are ports of the pod; `meshed` means that
    some control plane's proxy is in it."""

    kind: ClassVar = PODS.kind

    key: WorkloadKey
    node: str
    running: bool
    labels: Labels
    meshed: bool
    identity: TlsIdentity | None
    proxy: ProxyPorts
    opaque: PortSet
    skipped: PortSet


def pod_facts(inputs: Inputs, pod: Pod) -> PodFacts:
    """The facts of a pod."""
    control_plane = pod.metadata.labels.get(CONTROL_PLANE_NS, "")
    said = _container_facts(pod.spec.init_containers, pod.spec.containers)
    skipped = listed_ports(inputs.complaints, PODS.kind, pod.metadata, SKIP_INBOUND_PORTS, ())
    return PodFacts(
        key=(pod.metadata.namespace, pod.metadata.name),  # no Key: the collector follows these
        node=pod.spec.node_name,
        running=pod.status.phase == "Running",
        labels=_labels(pod, *owner_of(pod, inputs.objects)),
        meshed=control_plane != "",
        identity=_identity(inputs, pod, control_plane),
        proxy=said.proxy,
        opaque=opaque_ports(
            inputs, PODS, pod.metadata, said.port_names, lambda name: _numbers(name, pod)
        ),
        skipped=skipped or NO_PORTS,
    )


def service_account(pod: Pod) -> str:
    """The pod's ServiceAccount."""
    return pod.spec.service_account_name or "default"


def owner_of(pod: Pod, objects: Objects) -> tuple[str, str]:
    """Kind (lower case) and name of the workload that the pod belongs to; of a pod on its own, the
    pod. ReplicaSets and Jobs are looked through to what made them."""
    references = pod.metadata.owner_references
    if len(references) != 1 or not is_label_name(references[0].kind.lower()):
        return "pod", pod.metadata.name
    kind, name = references[0].kind, references[0].name
    above = objects.owner(kind, Key(pod.metadata.namespace, name))
    if above is not None and (
        above.kind in _OWNERS_OF_REPLICA_SETS
        or (kind == "Job" and is_label_name(above.kind.lower()))
    ):
        kind, name = above.kind, above.name
    return kind.lower(), name


def _identity(inputs: Inputs, pod: Pod, control_plane: str) -> TlsIdentity | None:
    identities = inputs.mesh.identities
    if not identities.trust_domain or control_plane != identities.controller_namespace:
        return None
    name = identities.workload(service_account(pod), pod.metadata.namespace)
    if not is_dns_name(name):  # a long ServiceAccount's is too long for a certificate
        problem = f"{name[:300]!r} is no DNS name; clients are told no identity"
        inputs.complaints.about(PODS.kind, *pod.metadata.key, "spec.serviceAccountName", problem)
        return None
    return TlsIdentity(name, server_name=name)


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
    return tuple((label, label_value(value)) for label, value in labels.items())


@dataclass(frozen=True, slots=True)
class _ContainerFacts:
    """What the containers of a pod say; all pods of a workload have the same ones."""

    proxy: ProxyPorts
    port_names: Names


@lru_cache(_WORKLOADS)
def _container_facts(
    init_containers: tuple[Container, ...], containers: tuple[Container, ...]
) -> _ContainerFacts:
    every = (*init_containers, *containers)
    ports = [port for container in every for port in container.ports]
    names = {port.name: port.container_port for port in ports if port.name}  # the last one counts
    return _ContainerFacts(_proxy_ports(every), tuple(names.items()))


def _numbers(name: str, pod: Pod) -> list[int]:
    """The numbers that the name of a port means in a pod."""
    return [
        port.container_port
        for container in (*pod.spec.init_containers, *pod.spec.containers)
        for port in container.ports
        if port.name == name
    ]


def _proxy_ports(containers: tuple[Container, ...]) -> ProxyPorts:
    proxy = next((item for item in containers if item.name == PROXY_CONTAINER), None)
    if proxy is None:
        return ProxyPorts()
    inbound = _listen_port(proxy, PROXY_INBOUND_LISTEN_ADDR)
    return ProxyPorts(
        inbound=inbound if inbound in INBOUND_PORTS else None,
        admin=_listen_port(proxy, PROXY_ADMIN_LISTEN_ADDR),
        control=_listen_port(proxy, PROXY_CONTROL_LISTEN_ADDR),
    )


def _listen_port(proxy: Container, variable: str) -> int | None:
    text = proxy.variable(variable)
    try:
        return None if text is None else parse_host_port(text).port
    except ValueError:
        return None
