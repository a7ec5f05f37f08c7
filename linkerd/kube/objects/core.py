"""Services, Secrets and ConfigMaps: the fields that the control plane reads, and no more."""

from collections.abc import Mapping

import msgspec
from msgspec.structs import force_setattr

from linkerd.kube.objects.meta import ObjectMeta
from linkerd.kube.objects.pool import EMPTY, LABELS


class ServicePort(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A port of a Service; `target_port` is a number, a container port's name, or absent."""

    port: int
    name: str = ""
    protocol: str = "TCP"
    app_protocol: str | None = None
    target_port: int | str | None = None


class ServiceSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """`selector` is None when absent: such a Service has endpoints that somebody else writes."""

    type: str = "ClusterIP"
    cluster_ip: str = msgspec.field(name="clusterIP", default="")
    cluster_ips: tuple[str, ...] = msgspec.field(name="clusterIPs", default=())
    ports: tuple[ServicePort, ...] = ()
    selector: Mapping[str, str] | None = None
    ip_families: tuple[str, ...] = ()
    internal_traffic_policy: str = "Cluster"
    publish_not_ready_addresses: bool = False

    def __post_init__(self) -> None:
        if self.selector:
            force_setattr(self, "selector", LABELS.share(self.selector))

    @property
    def ips(self) -> tuple[str, ...]:
        """Cluster addresses of all families; empty for headless and external services."""
        every = self.cluster_ips or (self.cluster_ip,)
        return tuple(ip for ip in every if ip not in ("", "None"))


class Service(msgspec.Struct, frozen=True, gc=False):
    """A Service."""

    metadata: ObjectMeta
    spec: ServiceSpec = ServiceSpec()


class Secret(msgspec.Struct, frozen=True, gc=False):
    """A Secret with its values decoded from base64. Never log one."""

    metadata: ObjectMeta
    type: str = "Opaque"
    data: Mapping[str, bytes] = {}

    def __repr__(self) -> str:
        return f"Secret({self.metadata.namespace}/{self.metadata.name}, {len(self.data)} values)"


class ConfigMap(msgspec.Struct, frozen=True, gc=False):
    """A ConfigMap's text values."""

    metadata: ObjectMeta
    data: Mapping[str, str] = EMPTY
