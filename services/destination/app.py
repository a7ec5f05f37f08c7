"""Settings and wiring of the destination service.

Start-up: reflectors read the cluster into the index; once all have, gRPC is served and the process
is ready. What was known stays served while the API server is away.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from linkerd.index import LoopPace
from linkerd.kube.client import KubeClient
from linkerd.kube.connecting import connect
from linkerd.kube.controller.replica import holder_identity
from linkerd.kube.informer_metrics import CacheSizes, InformerLags
from linkerd.kube.reading import chained, read
from linkerd.kube.reflector import ReflectorOptions
from linkerd.kube.reflector_metrics import ReflectorMetrics
from linkerd.kube.resource import SECRETS
from linkerd.mesh.control_plane import DESTINATION_PORT, NAMESPACE
from linkerd.mesh.labels import LINKED_CLUSTER_NAME, REMOTE_KUBECONFIG
from linkerd.mesh.names import DEFAULT_DOMAIN, IdentityDomain, is_dns_subdomain
from linkerd.mesh.ports import PortSet, parse_ports
from linkerd.rpc.serving import serve
from linkerd.runtime.errors import SettingsError
from linkerd.runtime.logs import get_logger
from linkerd.runtime.process import Process
from linkerd.runtime.settings import GrpcSettings, HostPort, setting
from services.destination.clusters import MEMORY, ClusterStore, LinkCollector
from services.destination.debug import DebugPages, ages_of
from services.destination.index import Index
from services.destination.metrics import IndexCollector
from services.destination.model.http2 import Http2Params, parse_http2_params
from services.destination.model.mesh_settings import MeshSettings
from services.destination.resources import resources
from services.destination.server import Destination
from services.destination.wire.addresses import AddressEncoder
from services.destination.wire.endpoints import EndpointDeltas
from services.destination.wire.profiles import ProfileDeltas
from services.destination.workloads import WorkloadSlices

NAME: Final = "destination"

_TRANSPORT_HEADER: Final = "transport-header"

_log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Settings(GrpcSettings):
    """The flags of the destination service. Names and defaults are upstream's where it has them."""

    addr: HostPort = setting(
        default=HostPort("", DESTINATION_PORT), doc="Address that serves gRPC."
    )
    admin_addr: HostPort = setting(
        default=HostPort("", 9996),
        flag="metrics-addr",
        aliases=("admin-addr",),
        doc="Address of /ping, /live, /ready and /metrics (HTTP).",
    )
    controller_namespace: str = setting(
        default=NAMESPACE,
        doc="Namespace of the control plane; pods that belong to another get no identity.",
    )
    cluster_domain: str = setting(
        default="", doc="DNS suffix of services' names. Empty: cluster.local, with a warning."
    )
    identity_trust_domain: str = setting(
        default="", doc="Last part of identities. Empty: cluster.local, with a warning."
    )
    default_opaque_ports: str = setting(
        default="",
        doc="Ports and ranges, comma-separated, whose protocol is not detected where no annotation "
        "says which those are.",
    )
    outbound_transport_mode: str = setting(
        default="transparent",
        doc="transport-header: meshed pods are reached through their proxy's port; transparent: "
        "only for opaque ports.",
    )
    enable_h2_upgrade: bool = setting(
        default=True, doc="Let proxies speak HTTP/2 with each other for HTTP/1 clients."
    )
    enable_endpoint_slices: bool = setting(
        default=True,
        doc="Read endpoints from EndpointSlices; false: from Endpoints objects, which needs "
        "--enable-ipv6=false.",
    )
    enable_ipv6: bool = setting(
        default=True, doc="Give out IPv6 addresses of pods, and prefer them."
    )
    ext_endpoint_zone_weights: bool = setting(
        default=False, doc="Experimental: ten times the weight for endpoints of the client's zone."
    )
    meshed_http2_client_params: Http2Params | None = setting(
        default=None,
        parse=parse_http2_params,
        doc="HTTP/2 parameters for connections to meshed pods, such as "
        '{"keep_alive":{"interval":{"seconds":10},"timeout":{"seconds":3}}}.',
    )
    enable_linked_clusters: bool = setting(
        default=True,
        doc="Read the clusters that Secrets link to this one, for services that are theirs.",
    )
    linked_clusters_namespace: str = setting(
        default="",
        doc="Namespace of the Secrets that link clusters. Empty: the control plane's, where "
        "upstream's tools put them and where a right to read them is one to read the issuer too.",
    )
    linked_clusters_wait: timedelta = setting(
        default=timedelta(seconds=10),
        doc="How long to wait at start for linked clusters to be read. Those that do not answer by "
        "then are read when they do.",
    )
    linked_cluster_memory_mib: int = setting(
        default=MEMORY >> 20,
        doc="MiB that what is known of one linked cluster may take. One that has more is not read; "
        "what was known of it before stays in use.",
    )
    enable_debug_pages: bool = setting(
        default=False,
        doc="Pages under /debug/ on the admin address that show what is followed, and why.",
    )
    stream_queue_capacity: int = setting(
        default=100, doc="Accepted for upstream's manifests (above 0); streams have no queues here."
    )
    export_queue_metrics: bool = setting(
        default=True, doc="Metrics of the queue of services whose ExternalWorkloads need slices."
    )
    trace_collector: str = setting(
        default="", doc="Accepted for upstream's manifests; no traces are sent."
    )


async def start(settings: Settings, process: Process) -> None:
    """Sets the service up: returns when it serves. Raises StartError or SettingsError."""
    caches = process.readiness.gate("caches")
    mesh = mesh_of(settings)
    index = make_index(settings, mesh)
    process.registry.register(IndexCollector(index, mesh.cluster_domain))
    client = await connect(settings.kubeconfig, process)
    metrics = ReflectorMetrics(process.registry)
    kinds = resources(slices=settings.enable_endpoint_slices)
    process.registry.register(CacheSizes(metrics, kinds.values()))
    if settings.enable_debug_pages:
        debug = DebugPages(index, mesh.cluster_domain, partial(ages_of, metrics))
        process.pages.update(debug.pages())
    keeper = _slice_keeper(settings, client, process)
    slices = keeper.listeners if keeper is not None else {}
    options = ReflectorOptions(
        clock=process.clock, metrics=metrics, lags=InformerLags(process.registry)
    )
    listeners = {
        resource: chained(index.listener(kind), slices.get(kind.value))
        for kind, resource in kinds.items()
    }
    await asyncio.gather(
        read(process, client, listeners, options),
        _read_links(client, index, process, options, settings),
    )
    if keeper is not None:
        keeper.leader.start(process, "keep slices of workloads")
    caches.open()
    await serve(settings, process, Destination(index, mesh.cluster_domain).table())


def mesh_of(settings: Settings) -> MeshSettings:
    """What the settings say of the mesh. Raises SettingsError."""
    if settings.enable_ipv6 and not settings.enable_endpoint_slices:
        raise SettingsError("--enable-endpoint-slices=false needs --enable-ipv6=false")
    if settings.linked_cluster_memory_mib <= 0:
        raise SettingsError("--linked-cluster-memory-mib must be above 0")
    if settings.stream_queue_capacity <= 0:
        raise SettingsError("--stream-queue-capacity must be above 0")
    trust_domain = _domain("identity-trust-domain", settings.identity_trust_domain)
    return MeshSettings(
        identities=IdentityDomain(settings.controller_namespace, trust_domain),
        cluster_domain=_domain("cluster-domain", settings.cluster_domain),
        opaque_ports=_opaque_ports(settings.default_opaque_ports),
        h2_upgrade=settings.enable_h2_upgrade,
        transport_header=_uses_transport_header(settings.outbound_transport_mode),
        # Endpoints objects know no families: what they list is given out as it is.
        ipv6=settings.enable_ipv6 or not settings.enable_endpoint_slices,
    )


def make_index(settings: Settings, mesh: MeshSettings) -> Index:
    """An empty index whose topics speak protobuf."""
    encoder = AddressEncoder(
        settings.meshed_http2_client_params, zone_weights=settings.ext_endpoint_zone_weights
    )
    return Index(
        mesh,
        endpoints=EndpointDeltas(encoder),
        profile=ProfileDeltas(encoder),
        pace=LoopPace(),
    )


def _domain(flag: str, text: str) -> str:
    if not text:
        _log.warning(f"--{flag} is not set; {DEFAULT_DOMAIN} holds")
        return DEFAULT_DOMAIN
    if not is_dns_subdomain(text):
        raise SettingsError(f"--{flag}: {text!r} is not a DNS name of lower-case labels")
    return text


def _opaque_ports(text: str) -> PortSet:
    ports, invalid = parse_ports(text)
    for item in invalid:
        _log.warning("--default-opaque-ports: neither a port nor a range; skipped", detail=item)
    return ports


def _uses_transport_header(mode: str) -> bool:
    if mode not in {_TRANSPORT_HEADER, "transparent"}:
        _log.error("--outbound-transport-mode is unknown; transparent holds", detail=mode)
    return mode == _TRANSPORT_HEADER


def _slice_keeper(
    settings: Settings, client: KubeClient, process: Process
) -> WorkloadSlices | None:
    """What writes slices for ExternalWorkloads; nobody where slices are off."""
    if not settings.enable_endpoint_slices:
        return None
    return WorkloadSlices(
        client,
        settings.controller_namespace,
        holder_identity(),
        process.clock,
        process.registry,
        queue_metrics=settings.export_queue_metrics,
    )


async def _read_links(
    client: KubeClient,
    index: Index,
    process: Process,
    options: ReflectorOptions,
    settings: Settings,
) -> None:
    """Starts to read linked clusters; returns when all have been read, or have had their time."""
    if not settings.enable_linked_clusters:
        _log.info("linked clusters are off: --enable-linked-clusters=false")
        return
    store = ClusterStore(
        index,
        settings.controller_namespace,
        clock=process.clock,
        metrics=options.metrics,
        slices=settings.enable_endpoint_slices,
        memory=settings.linked_cluster_memory_mib << 20,
    )
    process.registry.register(LinkCollector(store))
    process.defer(store.close)
    secrets = SECRETS.narrowed(
        settings.linked_clusters_namespace or settings.controller_namespace,
        labels=LINKED_CLUSTER_NAME,
        fields=f"type={REMOTE_KUBECONFIG}",
    )
    await read(process, client, {secrets.dispensable(): store.on_secrets}, options)
    await store.settled(settings.linked_clusters_wait)
