"""workload.linkerd.io: ExternalWorkloads, the mesh's machines outside the cluster."""

import msgspec

from linkerd.kube.objects.meta import ObjectMeta


class MeshTLS(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Who the workload is: a SPIFFE id (or DNS name) and the name its certificate carries."""

    identity: str
    server_name: str


class WorkloadIP(msgspec.Struct, frozen=True, gc=False):
    """An address of the workload, as written."""

    ip: str


class WorkloadPort(msgspec.Struct, frozen=True, gc=False):
    """A port that the workload serves."""

    port: int
    name: str = ""
    protocol: str = "TCP"


class ExternalWorkloadSpec(msgspec.Struct, frozen=True, gc=False):
    """Identity, addresses and ports."""

    mesh_tls: MeshTLS = msgspec.field(name="meshTLS")
    workload_ips: tuple[WorkloadIP, ...] = msgspec.field(name="workloadIPs", default=())
    ports: tuple[WorkloadPort, ...] = ()


class Condition(msgspec.Struct, frozen=True, gc=False):
    """A condition of its status."""

    type: str
    status: str = "Unknown"


class ExternalWorkloadStatus(msgspec.Struct, frozen=True, gc=False):
    """Conditions that whoever manages the workload writes."""

    conditions: tuple[Condition, ...] = ()


class ExternalWorkload(msgspec.Struct, frozen=True, gc=False):
    """An ExternalWorkload."""

    metadata: ObjectMeta
    spec: ExternalWorkloadSpec
    status: ExternalWorkloadStatus = ExternalWorkloadStatus()

    @property
    def ready(self) -> bool:
        """Whether a Ready condition says True; nobody having said anything is not ready."""
        return Condition("Ready", "True") in self.status.conditions

    @property
    def terminal(self) -> bool:
        """Never, unlike pods: a machine serves until its object is deleted."""
        return False

    @property
    def terminating(self) -> bool:
        """Whether its deletion has begun."""
        return self.metadata.deletion_timestamp is not None
