"""Kubernetes objects as frozen Structs, trimmed to the fields that the control plane reads.

What one service alone reads of a kind it declares itself, of these parts, and names it in its table
(`Resource.into`): destination its pods, for instance. A field that is not declared costs nothing.
"""

from linkerd.kube.objects.core import (
    ConfigMap,
    Secret,
    Service,
    ServicePort,
    ServiceSpec,
)
from linkerd.kube.objects.discovery import (
    Endpoint,
    EndpointAddress,
    EndpointConditions,
    EndpointHints,
    EndpointPort,
    Endpoints,
    EndpointSlice,
    EndpointSubset,
    ForZone,
    TargetRef,
)
from linkerd.kube.objects.meta import Key, KubeObject, ObjectMeta, OwnerReference, PartialObject
from linkerd.kube.objects.policy import Server, ServerSpec
from linkerd.kube.objects.profiles import (
    RequestMatch,
    ResponseClass,
    ResponseMatch,
    RetryBudget,
    Route,
    ServiceProfile,
    ServiceProfileSpec,
    StatusRange,
    WeightedDestination,
)
from linkerd.kube.objects.selector import LabelSelector, Requirement, SelectorError
from linkerd.kube.objects.split import Backend, DatedMeta, TrafficSplit, TrafficSplitSpec
from linkerd.kube.objects.workload import (
    ExternalWorkload,
    ExternalWorkloadSpec,
    MeshTLS,
    WorkloadIP,
    WorkloadPort,
)

__all__ = [
    "Backend",
    "ConfigMap",
    "DatedMeta",
    "Endpoint",
    "EndpointAddress",
    "EndpointConditions",
    "EndpointHints",
    "EndpointPort",
    "EndpointSlice",
    "EndpointSubset",
    "Endpoints",
    "ExternalWorkload",
    "ExternalWorkloadSpec",
    "ForZone",
    "Key",
    "KubeObject",
    "LabelSelector",
    "MeshTLS",
    "ObjectMeta",
    "OwnerReference",
    "PartialObject",
    "RequestMatch",
    "Requirement",
    "ResponseClass",
    "ResponseMatch",
    "RetryBudget",
    "Route",
    "Secret",
    "SelectorError",
    "Server",
    "ServerSpec",
    "Service",
    "ServicePort",
    "ServiceProfile",
    "ServiceProfileSpec",
    "ServiceSpec",
    "StatusRange",
    "TargetRef",
    "TrafficSplit",
    "TrafficSplitSpec",
    "WeightedDestination",
    "WorkloadIP",
    "WorkloadPort",
]
