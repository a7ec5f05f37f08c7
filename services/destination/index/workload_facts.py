"""What an ExternalWorkload, a machine outside the cluster, is to the mesh."""

import re
from dataclasses import dataclass
from typing import ClassVar, Final

from linkerd.kube.objects import ExternalWorkload, Key
from linkerd.mesh.labels import PROXY_CONTAINER
from linkerd.mesh.metric_labels import is_label_name, label_value
from linkerd.mesh.names import is_dns_name
from linkerd.mesh.ports import PortSet
from services.destination.index.opacity import WORKLOADS, Sources, opaque_ports
from services.destination.model.address import INBOUND_PORTS, Labels, TlsIdentity

_INBOUND: Final = 4143  # where proxies listen unless told otherwise
_INBOUND_NAME: Final = PROXY_CONTAINER  # of the port where its proxy listens, as of the container
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[!-~]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class WorkloadFacts:
    """`labels` are metric labels, `opaque` ports of the workload. Of a workload that cannot be
    reached as it should be, `problem` says why."""

    kind: ClassVar = WORKLOADS.kind

    key: Key
    labels: Labels
    identity: TlsIdentity
    inbound: int
    opaque: PortSet
    problem: str = ""


def workload_facts(sources: Sources, workload: ExternalWorkload) -> WorkloadFacts:
    """The facts of an ExternalWorkload."""
    ports = workload.spec.ports
    names = {port.name: port.port for port in ports if port.name}
    identity, inbound = _identity(workload), names.get(_INBOUND_NAME, _INBOUND)
    return WorkloadFacts(
        key=workload.metadata.key,
        labels=_labels(workload),
        identity=identity,
        inbound=inbound,
        opaque=opaque_ports(
            sources,
            WORKLOADS,
            workload.metadata,
            tuple(names.items()),
            lambda name: [port.port for port in ports if port.name == name],
        ),
        problem=_problem(identity, inbound),
    )


def _labels(workload: ExternalWorkload) -> Labels:
    labels = {"external_workload": workload.metadata.name}
    owners = workload.metadata.owner_references
    if len(owners) == 1 and owners[0].name and is_label_name(kind := owners[0].kind.lower()):
        labels[kind] = label_value(owners[0].name)
    return tuple(labels.items())


def _identity(workload: ExternalWorkload) -> TlsIdentity:
    """Its name is a URI, or else a DNS name."""
    tls = workload.spec.mesh_tls
    return TlsIdentity(tls.identity, tls.server_name, is_uri=not is_dns_name(tls.identity))


def _problem(identity: TlsIdentity, inbound: int) -> str:
    """Why a proxy would speak plain text to it, or nothing."""
    if identity.is_uri and not _URI.fullmatch(identity.name):
        return f"spec.meshTLS.identity {identity.name[:100]!r} is neither a URI nor a DNS name"
    if not is_dns_name(identity.server_name):
        return f"spec.meshTLS.serverName {identity.server_name[:100]!r} is not a DNS name"
    if inbound not in INBOUND_PORTS:
        return f"its port {_INBOUND_NAME}, {inbound}, is not from 1 to {INBOUND_PORTS[-1]}"
    return ""
