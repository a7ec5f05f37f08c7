"""Which resources we read, and where the API server keeps them."""

from typing import Final, Generic, TypeVar
from urllib.parse import quote

import msgspec

from linkerd.kube.objects import (
    ConfigMap,
    Endpoints,
    EndpointSlice,
    ExternalWorkload,
    KubeObject,
    PartialObject,
    Pod,
    Secret,
    Server,
    Service,
    ServiceProfile,
    TrafficSplit,
)

T = TypeVar("T", bound=KubeObject)

_PARTIAL: Final = "application/json;as={kind};g=meta.k8s.io;v=v1,application/json"


class Resource(msgspec.Struct, Generic[T], frozen=True):
    """A resource of the API and the Struct that its objects decode into.

    `metadata_only` asks the server to leave out everything but the metadata. `alternatives` are
    other versions that the Struct reads, for servers that do not have `version`.
    """

    group: str
    version: str
    plural: str
    kind: str
    type: type[T]
    namespaced: bool = True
    metadata_only: bool = False
    alternatives: tuple[str, ...] = ()

    def path(
        self, namespace: str | None = None, name: str | None = None, *, version: str | None = None
    ) -> str:
        """The path of the collection (of one namespace, or of all) or of one object, under
        `version` or the usual one."""
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
    def accept_list(self) -> str:
        """The Accept header of a list."""
        return self._accept("PartialObjectMetadataList")

    @property
    def accept_object(self) -> str:
        """The Accept header of a single object and of a watch."""
        return self._accept("PartialObjectMetadata")

    def _accept(self, kind: str) -> str:
        return _PARTIAL.format(kind=kind) if self.metadata_only else "application/json"


PODS: Final = Resource("", "v1", "pods", "Pod", Pod)
SERVICES: Final = Resource("", "v1", "services", "Service", Service)
SECRETS: Final = Resource("", "v1", "secrets", "Secret", Secret)
CONFIG_MAPS: Final = Resource("", "v1", "configmaps", "ConfigMap", ConfigMap)
NODES: Final = Resource(
    "", "v1", "nodes", "Node", PartialObject, namespaced=False, metadata_only=True
)
NAMESPACES: Final = Resource(
    "", "v1", "namespaces", "Namespace", PartialObject, namespaced=False, metadata_only=True
)
REPLICA_SETS: Final = Resource(
    "apps", "v1", "replicasets", "ReplicaSet", PartialObject, metadata_only=True
)
JOBS: Final = Resource("batch", "v1", "jobs", "Job", PartialObject, metadata_only=True)
ENDPOINT_SLICES: Final = Resource(
    "discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", EndpointSlice
)
ENDPOINTS: Final = Resource("", "v1", "endpoints", "Endpoints", Endpoints)
SERVICE_PROFILES: Final = Resource(
    "linkerd.io", "v1alpha2", "serviceprofiles", "ServiceProfile", ServiceProfile
)
SERVERS: Final = Resource("policy.linkerd.io", "v1beta3", "servers", "Server", Server)
EXTERNAL_WORKLOADS: Final = Resource(
    "workload.linkerd.io", "v1beta1", "externalworkloads", "ExternalWorkload", ExternalWorkload
)
TRAFFIC_SPLITS: Final = Resource(
    "split.smi-spec.io",
    "v1alpha1",
    "trafficsplits",
    "TrafficSplit",
    TrafficSplit,
    alternatives=("v1alpha2",),
)
