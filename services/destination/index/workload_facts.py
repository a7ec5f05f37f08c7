"""What an ExternalWorkload, a machine outside the cluster, is to the mesh."""

import re
from typing import ClassVar, Final

import msgspec

from linkerd.kube.objects import ExternalWorkload
from linkerd.mesh.metric_labels import is_label_name, label_value
from linkerd.mesh.names import is_dns_name
from linkerd.mesh.ports import PortSet
from linkerd.mesh.proxy import INBOUND_PORT, INBOUND_PORTS, PROXY_CONTAINER
from services.destination.index.opaque_ports import WORKLOADS, Inputs, opaque_ports
from services.destination.model.address import Labels, TlsIdentity, WorkloadKey

_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[!-~]+", re.ASCII)


class WorkloadFacts(msgspec.Struct, frozen=True, gc=False):
    """`labels` are metric labels, `opaque` ports of the workload. Of a workload that cannot be
    reached as it should be, `problem` says why."""

    kind: ClassVar = WORKLOADS.kind

    key: WorkloadKey
    labels: Labels
    identity: TlsIdentity
    inbound: int
    opaque: PortSet
    problem: str = ""


def workload_facts(inputs: Inputs, workload: ExternalWorkload) -> WorkloadFacts:
    """The facts of an ExternalWorkload."""
    ports = workload.spec.ports
    names = {port.name: port.port for port in ports if port.name}
    identity, inbound = _identity(workload), names.get(PROXY_CONTAINER, INBOUND_PORT)
    return WorkloadFacts(
        key=workload.metadata.key,
        labels=_labels(workload),
        identity=identity,
        inbound=inbound,
        opaque=opaque_ports(
            inputs,
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
        return f"its port {PROXY_CONTAINER}, {inbound}, is not from 1 to {INBOUND_PORTS[-1]}"
    return ""
