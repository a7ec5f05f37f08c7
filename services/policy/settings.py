"""The flags of the policy service, and what they amount to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

from linkerd.mesh.control_plane import NAMESPACE, POLICY, POLICY_PORT
from linkerd.mesh.names import DEFAULT_DOMAIN, IdentityDomain, is_dns_label, is_dns_subdomain
from linkerd.mesh.ports import PortSet, parse_ports
from linkerd.policy.default_policies import DefaultPolicy, parse_default_policy
from linkerd.policy.networks import IPBlock, Network, parse_block
from linkerd.runtime.errors import SettingsError
from linkerd.runtime.logs import get_logger
from linkerd.runtime.settings import GrpcSettings, HostPort, setting
from services.policy.model.mesh_settings import MeshSettings

CLUSTER_NETWORKS: Final = "10.0.0.0/8,100.64.0.0/10,172.16.0.0/12,192.168.0.0/16"

LogLevel = Literal["panic", "fatal", "error", "warn", "info", "debug", "trace"]
_LEVELS: Final[dict[str, LogLevel]] = {
    "off": "panic",
    "panic": "panic",
    "fatal": "fatal",
    "error": "error",
    "warn": "warn",
    "info": "info",
    "debug": "debug",
    "trace": "trace",
}
_OURS: Final = "linkerd"  # what upstream's filters call the program's own lines

_log = get_logger(__name__)


def parse_log_filter(text: str) -> LogLevel:
    """A level (off, panic, fatal, error, warn, info, debug, trace), or upstream's filters: of
    `linkerd=info,warn` the level of linkerd counts, else the one that stands alone."""
    levels: dict[str, LogLevel] = {}
    for item in text.split(","):
        target, _, level = item.strip().rpartition("=")
        if level.lower() not in _LEVELS:
            raise ValueError(f"{level!r} is none of {', '.join(_LEVELS)}")
        levels[target.partition("[")[0]] = _LEVELS[level.lower()]
    return levels.get(_OURS) or levels.get("") or "info"


def parse_blocks(text: str) -> tuple[IPBlock, ...]:
    """A comma-separated list of networks, such as 10.0.0.0/8,fd00::/8."""
    return tuple(parse_block(item.strip()) for item in text.split(",")) if text else ()


@dataclass(frozen=True, kw_only=True)
class Settings(GrpcSettings):
    """The flags of the policy service. Names and defaults are upstream's where it has them."""

    addr: HostPort = setting(
        default=HostPort("", POLICY_PORT),
        flag="grpc-addr",
        aliases=("addr",),
        doc="Address that serves gRPC.",
    )
    log_level: LogLevel = setting(
        default="info",
        env="LINKERD_POLICY_CONTROLLER_LOG",
        parse=parse_log_filter,
        doc="Least severe level that is logged.",
    )
    control_plane_namespace: str = setting(
        default=NAMESPACE, doc="Namespace of the control plane; part of every identity."
    )
    identity_domain: str = setting(default=DEFAULT_DOMAIN, doc="Last part of identities.")
    cluster_domain: str = setting(default=DEFAULT_DOMAIN, doc="DNS suffix of services' names.")
    cluster_networks: tuple[IPBlock, ...] = setting(
        default=parse_blocks(CLUSTER_NETWORKS),
        parse=parse_blocks,
        doc="Networks of pods, services and nodes; all others are outside the cluster.",
    )
    default_policy: DefaultPolicy = setting(
        default=DefaultPolicy.ALL_UNAUTHENTICATED,
        parse=parse_default_policy,
        doc="What a port allows that no Server selects, unless the workload says otherwise.",
    )
    default_opaque_ports: str = setting(
        doc="Ports and ranges of services, comma-separated, whose protocol is not detected where "
        "no annotation says which those are. Required; may be empty."
    )
    probe_networks: tuple[IPBlock, ...] = setting(
        default=(),
        parse=parse_blocks,
        doc="Networks that kubelets probe from. Empty: probes need an authorization as others do.",
    )
    global_egress_network_namespace: str = setting(
        default="linkerd-egress", doc="Namespace whose EgressNetworks count in all namespaces."
    )
    allow_l5d_request_headers: bool = setting(
        default=False,
        doc="Let clients set timeouts and retries of a request by its headers, where a route is.",
    )
    policy_deployment_name: str = setting(
        default=POLICY, doc="Deployment that owns the Lease of whoever writes statuses."
    )
    patch_timeout_ms: int = setting(
        default=5000, doc="The longest wait for a write of a status, in milliseconds."
    )
    admission_controller_disabled: bool = setting(
        default=False,
        doc="Accepted for upstream's manifests: this program admits nothing, "
        "services/validator does.",
    )
    server_addr: HostPort | None = setting(default=None, doc="Accepted likewise.")
    server_tls_key: Path | None = setting(default=None, doc="Accepted likewise.")
    server_tls_certs: Path | None = setting(default=None, doc="Accepted likewise.")

    @property
    def patch_timeout(self) -> timedelta:
        """The longest wait for a write of a status."""
        return timedelta(milliseconds=self.patch_timeout_ms)


def mesh_of(settings: Settings) -> MeshSettings:
    """What the settings say of the mesh. Raises SettingsError."""
    if settings.patch_timeout_ms <= 0:
        raise SettingsError("--patch-timeout-ms must be above 0")
    if not settings.cluster_networks:
        raise SettingsError("--cluster-networks must name a network")
    if any((settings.server_addr, settings.server_tls_key, settings.server_tls_certs)):
        _log.info("nothing is admitted here: services/validator does that; --server-… is ignored")
    for flag, name in (
        ("control-plane-namespace", settings.control_plane_namespace),
        ("global-egress-network-namespace", settings.global_egress_network_namespace),
    ):
        if not is_dns_label(name):
            raise SettingsError(f"--{flag}: {name!r} is no name of a namespace")
    return MeshSettings(
        identities=IdentityDomain(
            settings.control_plane_namespace, _domain("identity-domain", settings.identity_domain)
        ),
        cluster_networks=_networks(settings.cluster_networks),
        cluster_domain=_domain("cluster-domain", settings.cluster_domain),
        default_policy=settings.default_policy,
        probe_networks=_networks(settings.probe_networks),
        opaque_ports=_opaque_ports(settings.default_opaque_ports),
        egress_namespace=settings.global_egress_network_namespace,
        request_headers=settings.allow_l5d_request_headers,
    )


def _domain(flag: str, text: str) -> str:
    if not is_dns_subdomain(text):
        raise SettingsError(f"--{flag}: {text!r} is not a DNS name of lower-case labels")
    return text


def _opaque_ports(text: str) -> PortSet:
    ports, invalid = parse_ports(text)
    if invalid:
        raise SettingsError(
            f"--default-opaque-ports: neither a port nor a range: {', '.join(map(repr, invalid))}"
        )
    return ports


def _networks(blocks: Sequence[IPBlock]) -> tuple[Network, ...]:
    return tuple(map(Network, blocks))
