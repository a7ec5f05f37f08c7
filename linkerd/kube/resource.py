"""The kinds that we read: where the API server keeps them, and what there is to know of reading
them. One table for all services; each takes from it what it needs."""

from typing import Final, Generic, TypeVar, cast
from urllib.parse import quote

import msgspec

from linkerd.kube.objects import (
    AuthorizationPolicy,
    ConfigMap,
    EgressNetwork,
    Endpoints,
    EndpointSlice,
    ExternalWorkload,
    GRPCRoute,
    HTTPLocalRateLimitPolicy,
    HTTPRoute,
    KubeObject,
    MeshTLSAuthentication,
    NetworkAuthentication,
    PartialObject,
    Secret,
    Server,
    ServerAuthorization,
    Service,
    ServiceProfile,
    TCPRoute,
    TLSRoute,
    TrafficSplit,
)

T = TypeVar("T", bound=KubeObject)
S = TypeVar("S", bound=KubeObject)

_PARTIAL: Final = "application/json;as={kind};g=meta.k8s.io;v=v1,application/json"


class Resource(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What is read of one kind: where the API server keeps it, which objects, and the Struct that
    they decode into, which has those fields alone that its reader needs.

    A service's table is made of those below: `into` another Struct, `narrowed` to some objects,
    `dispensable` where it can do without.
    """

    group: str = ""
    versions: tuple[str, ...] = ("v1",)
    """Those that the Struct reads; a server that lacks the first is asked for the next."""
    plural: str
    kind: str
    struct: type[T]
    namespaced: bool = True
    metadata_only: bool = False
    """The server is asked to leave out everything but the metadata."""
    may_be_missing: bool = False
    """Where the server does not have it (a CRD that is not installed) there is none of it, until a
    later look finds it."""
    may_be_forbidden: bool = False
    """Where we may not read it there is none of it."""
    namespace: str = ""
    """Empty: all of them."""
    label_selector: str = ""
    field_selector: str = ""
    alias: str = ""
    """What metrics and log lines call it where another kind has the same plural."""
    cache: str = ""
    """Its name in `<cache>_cache_size`."""
    lag: str = ""
    """Its name in `<lag>_informer_lag_seconds`; empty where it has none."""

    def into(self, struct: "type[S]", *, metadata_only: bool = False) -> "Resource[S]":
        """The same objects, with the fields of another Struct."""
        changed = msgspec.structs.replace(self, struct=struct, metadata_only=metadata_only)
        return cast("Resource[S]", changed)

    def narrowed(self, namespace: str = "", *, labels: str = "", fields: str = "") -> "Resource[T]":
        """Only the objects of one namespace, or those that selectors choose, as kubectl takes
        them."""
        return msgspec.structs.replace(
            self, namespace=namespace, label_selector=labels, field_selector=fields
        )

    def dispensable(self) -> "Resource[T]":
        """May be missing, and we may be forbidden to read it."""
        return msgspec.structs.replace(self, may_be_missing=True, may_be_forbidden=True)

    @property
    def label(self) -> str:
        """What metrics and log lines call it."""
        return self.alias or self.plural

    @property
    def version(self) -> str:
        """The version that is preferred."""
        return self.versions[0]

    def path(
        self, namespace: str | None = None, name: str | None = None, *, version: str | None = None
    ) -> str:
        """The path of the collection (of one namespace, or of all) or of one object, under
        `version` or the preferred one."""
        version = version or self.version
        root = f"/apis/{self.group}/{version}" if self.group else f"/api/{version}"
        parts = [root]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name is not None:
            parts.append(quote(name, safe=""))
        return "/".join(parts)

    @property
    def selectors(self) -> dict[str, str]:
        """The query that asks for those objects alone."""
        query = {"labelSelector": self.label_selector, "fieldSelector": self.field_selector}
        return {name: selector for name, selector in query.items() if selector}

    @property
    def accept_list(self) -> str:
        """The Accept header of a list."""
        return self._accept("PartialObjectMetadataList")

    @property
    def accept_object(self) -> str:
        """The Accept header of a single object and of a watch."""
        return self._accept("PartialObjectMetadata")

    def _accept(self, kind: str) -> str:
        return _PARTIAL.format(kind=kind) if self.metadata_only else "application/json"


# Of a pod each reader needs something else, and there may be very many: who reads more of them than
# metadata says what, by a Struct of its own.
PODS: Final = Resource(plural="pods", kind="Pod", struct=PartialObject, cache="pod", lag="pods")
SERVICES: Final = Resource(
    plural="services", kind="Service", struct=Service, cache="service", lag="services"
)
SECRETS: Final = Resource(plural="secrets", kind="Secret", struct=Secret)
CONFIG_MAPS: Final = Resource(plural="configmaps", kind="ConfigMap", struct=ConfigMap)
NODES: Final = Resource(
    plural="nodes",
    kind="Node",
    struct=PartialObject,
    namespaced=False,
    metadata_only=True,
    cache="node",
)
NAMESPACES: Final = Resource(
    plural="namespaces",
    kind="Namespace",
    struct=PartialObject,
    namespaced=False,
    metadata_only=True,
)
DEPLOYMENTS: Final = Resource(
    group="apps",
    plural="deployments",
    kind="Deployment",
    struct=PartialObject,
    metadata_only=True,
)
REPLICA_SETS: Final = Resource(
    group="apps",
    plural="replicasets",
    kind="ReplicaSet",
    struct=PartialObject,
    metadata_only=True,
    cache="replicaset",
)
JOBS: Final = Resource(
    group="batch",
    plural="jobs",
    kind="Job",
    struct=PartialObject,
    metadata_only=True,
    cache="job",
)
ENDPOINT_SLICES: Final = Resource(
    group="discovery.k8s.io",
    plural="endpointslices",
    kind="EndpointSlice",
    struct=EndpointSlice,
    cache="endpointslices",
    lag="endpointslices",
)
ENDPOINTS: Final = Resource(
    plural="endpoints", kind="Endpoints", struct=Endpoints, cache="endpoints", lag="endpoints"
)
SERVICE_PROFILES: Final = Resource(
    group="linkerd.io",
    versions=("v1alpha2",),
    plural="serviceprofiles",
    kind="ServiceProfile",
    struct=ServiceProfile,
    may_be_missing=True,
    cache="serviceprofile",
    lag="serviceprofiles",
)
SERVERS: Final = Resource(
    group="policy.linkerd.io",
    versions=("v1beta3",),
    plural="servers",
    kind="Server",
    struct=Server,
    may_be_missing=True,
    cache="server",
    lag="servers",
)
EXTERNAL_WORKLOADS: Final = Resource(
    group="workload.linkerd.io",
    versions=("v1beta1",),
    plural="externalworkloads",
    kind="ExternalWorkload",
    struct=ExternalWorkload,
    may_be_missing=True,
    cache="externalworkload",
    lag="externalworkload",
)
TRAFFIC_SPLITS: Final = Resource(
    group="split.smi-spec.io",
    versions=("v1alpha1", "v1alpha2"),
    plural="trafficsplits",
    kind="TrafficSplit",
    struct=TrafficSplit,
    may_be_missing=True,
    may_be_forbidden=True,  # of another project: whoever installs us need not know of it
    cache="trafficsplit",
)

_POLICY: Final = "policy.linkerd.io"
_GATEWAY: Final = "gateway.networking.k8s.io"

SERVER_AUTHORIZATIONS: Final = Resource(
    group=_POLICY,
    versions=("v1beta1",),
    plural="serverauthorizations",
    kind="ServerAuthorization",
    struct=ServerAuthorization,
    may_be_missing=True,
)
AUTHORIZATION_POLICIES: Final = Resource(
    group=_POLICY,
    versions=("v1alpha1",),
    plural="authorizationpolicies",
    kind="AuthorizationPolicy",
    struct=AuthorizationPolicy,
    may_be_missing=True,
)
MESH_TLS_AUTHENTICATIONS: Final = Resource(
    group=_POLICY,
    versions=("v1alpha1",),
    plural="meshtlsauthentications",
    kind="MeshTLSAuthentication",
    struct=MeshTLSAuthentication,
    may_be_missing=True,
)
NETWORK_AUTHENTICATIONS: Final = Resource(
    group=_POLICY,
    versions=("v1alpha1",),
    plural="networkauthentications",
    kind="NetworkAuthentication",
    struct=NetworkAuthentication,
    may_be_missing=True,
)
RATE_LIMITS: Final = Resource(
    group=_POLICY,
    versions=("v1alpha1",),
    plural="httplocalratelimitpolicies",
    kind="HTTPLocalRateLimitPolicy",
    struct=HTTPLocalRateLimitPolicy,
    may_be_missing=True,
)
EGRESS_NETWORKS: Final = Resource(
    group=_POLICY,
    versions=("v1alpha1",),
    plural="egressnetworks",
    kind="EgressNetwork",
    struct=EgressNetwork,
    may_be_missing=True,
)
LINKERD_HTTP_ROUTES: Final = Resource(
    group=_POLICY,
    versions=("v1beta3", "v1beta2", "v1beta1"),
    plural="httproutes",
    kind="HTTPRoute",
    struct=HTTPRoute,
    may_be_missing=True,
)
HTTP_ROUTES: Final = Resource(
    group=_GATEWAY,
    versions=("v1", "v1beta1"),
    plural="httproutes",
    alias=f"httproutes.{_GATEWAY}",
    kind="HTTPRoute",
    struct=HTTPRoute,
    may_be_missing=True,
)
GRPC_ROUTES: Final = Resource(
    group=_GATEWAY,
    versions=("v1", "v1alpha2"),
    plural="grpcroutes",
    kind="GRPCRoute",
    struct=GRPCRoute,
    may_be_missing=True,
)
TLS_ROUTES: Final = Resource(
    group=_GATEWAY,
    versions=("v1", "v1alpha3", "v1alpha2"),
    plural="tlsroutes",
    kind="TLSRoute",
    struct=TLSRoute,
    may_be_missing=True,
)
TCP_ROUTES: Final = Resource(
    group=_GATEWAY,
    versions=("v1", "v1alpha2"),
    plural="tcproutes",
    kind="TCPRoute",
    struct=TCPRoute,
    may_be_missing=True,
)
