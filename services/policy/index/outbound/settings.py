"""What a Service or an EgressNetwork says of traffic to it, by its fields and annotations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeVar

from linkerd.index import Complaints, Subject, Watch
from linkerd.kube.objects import Key, ObjectMeta, ServicePort
from linkerd.mesh.labels import OPAQUE_PORTS
from linkerd.mesh.ports import NO_PORTS, PortSet
from linkerd.policy.egress_networks import TrafficPolicy, judge_egress_network
from linkerd.policy.errors import PolicyError
from linkerd.policy.failure_accrual import FailureAccrual, judge_failure_accrual
from linkerd.policy.load_bias import LoadBias, judge_load_bias
from linkerd.policy.port_sets import parse_port_set
from linkerd.policy.references import EGRESS_NETWORK, SERVICE, GroupKind
from linkerd.policy.retries import GrpcRetry, HttpRetry, judge_grpc_retry, judge_http_retry
from linkerd.policy.timeouts import NO_TIMEOUTS, Timeouts, judge_timeouts
from services.policy.index.outbound import subjects as on
from services.policy.index.outbound.filing import OutboundTables
from services.policy.model.mesh_settings import MeshSettings

T = TypeVar("T")


class AppProtocol(Enum):
    """What a port speaks, so that nobody need find out."""

    HTTP_1 = "http"
    HTTP_2 = "kubernetes.io/h2c"
    OPAQUE = "linkerd.io/opaque"
    """Anything else: bytes that proxies do not look at."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`protocols` are of the ports that say theirs. `traffic` is whether an EgressNetwork lets
    through what no route speaks of."""

    protocols: tuple[tuple[int, AppProtocol], ...] = ()
    opaque_ports: PortSet = NO_PORTS
    accrual: FailureAccrual | None = None
    bias: LoadBias | None = None
    http_retry: HttpRetry | None = None
    grpc_retry: GrpcRetry | None = None
    timeouts: Timeouts = NO_TIMEOUTS
    traffic: TrafficPolicy = TrafficPolicy.DENY

    def protocol(self, port: int) -> AppProtocol | None:
        """What a port speaks, None if that is to be found out."""
        for number, protocol in self.protocols:
            if number == port:
                return protocol
        return AppProtocol.OPAQUE if port in self.opaque_ports else None


class SettingsBook:
    """Reads the settings of parents, and complains of what makes no sense; the rest of a parent's
    settings stands."""

    def __init__(self, mesh: MeshSettings, tables: OutboundTables, complaints: Complaints) -> None:
        self._mesh = mesh
        self._tables = tables
        self._complaints = complaints

    def derive(self, subject: Subject, watch: Watch) -> Settings:
        """Those of a Service or EgressNetwork; of one that does not exist, what holds then."""
        _, kind, namespace, name = subject
        if kind == SERVICE.kind:
            watch({on.parent(SERVICE, namespace, name)})
            return self._of_service(Key(namespace, name))
        watch({on.parent(EGRESS_NETWORK, namespace, name)})
        return self._of_egress_network(Key(namespace, name))

    def _of_service(self, key: Key) -> Settings:
        service = self._tables.services.get(key)
        if service is None:
            return Settings(opaque_ports=self._mesh.opaque_ports)
        metadata = service.metadata
        return Settings(
            protocols=_protocols(service.spec.ports),
            opaque_ports=self._opaque_ports(SERVICE, metadata),
            accrual=self._read(SERVICE, metadata, judge_failure_accrual),
            bias=self._read(SERVICE, metadata, judge_load_bias),
            http_retry=self._read(SERVICE, metadata, judge_http_retry),
            grpc_retry=self._read(SERVICE, metadata, judge_grpc_retry),
            timeouts=self._read(SERVICE, metadata, judge_timeouts) or NO_TIMEOUTS,
        )

    def _of_egress_network(self, key: Key) -> Settings:
        network = self._tables.egress_networks.get(key)
        if network is None:
            return Settings(opaque_ports=self._mesh.opaque_ports)
        metadata = network.metadata
        policy, _ = judge_egress_network(network)  # of whose faults was told when it was filed
        return Settings(
            opaque_ports=self._opaque_ports(EGRESS_NETWORK, metadata),
            accrual=self._read(EGRESS_NETWORK, metadata, judge_failure_accrual),
            http_retry=self._read(EGRESS_NETWORK, metadata, judge_http_retry),
            grpc_retry=self._read(EGRESS_NETWORK, metadata, judge_grpc_retry),
            timeouts=self._read(EGRESS_NETWORK, metadata, judge_timeouts) or NO_TIMEOUTS,
            traffic=policy.traffic,
        )

    def _opaque_ports(self, kind: GroupKind, metadata: ObjectMeta) -> PortSet:
        text = metadata.annotations.get(OPAQUE_PORTS)
        if text is None:
            return self._mesh.opaque_ports
        try:
            return parse_port_set(text)
        except ValueError as error:
            field = f"metadata.annotations[{OPAQUE_PORTS}]"
            self._complaints.about(kind.kind, *metadata.key, field, str(error))
            return NO_PORTS

    def _read(
        self,
        kind: GroupKind,
        metadata: ObjectMeta,
        read: Callable[[Mapping[str, str]], T],
    ) -> T | None:
        """What one group of annotations says; None if that makes no sense."""
        if not metadata.annotations:  # most often
            return None
        try:
            return read(metadata.annotations)
        except PolicyError as error:
            self._complaints.about(kind.kind, *metadata.key, error.field, error.problem)
            return None


_PROTOCOLS: Final = {
    "http": AppProtocol.HTTP_1,
    "kubernetes.io/h2c": AppProtocol.HTTP_2,
}


def _protocols(ports: tuple[ServicePort, ...]) -> tuple[tuple[int, AppProtocol], ...]:
    return tuple(
        (port.port, _PROTOCOLS.get(port.app_protocol.lower(), AppProtocol.OPAQUE))
        for port in ports
        if port.app_protocol
    )
