"""Which kinds the index is fed with."""

from collections.abc import Mapping
from typing import Any, Final

from linkerd.kube.resource import (
    AUTHORIZATION_POLICIES,
    EGRESS_NETWORKS,
    EXTERNAL_WORKLOADS,
    GRPC_ROUTES,
    HTTP_ROUTES,
    LINKERD_HTTP_ROUTES,
    MESH_TLS_AUTHENTICATIONS,
    NETWORK_AUTHENTICATIONS,
    PODS,
    RATE_LIMITS,
    SERVER_AUTHORIZATIONS,
    SERVERS,
    SERVICES,
    TCP_ROUTES,
    TLS_ROUTES,
    Resource,
)
from linkerd.mesh.labels import CONTROL_PLANE_NS
from services.policy.index.kinds import Kind
from services.policy.pods import Pod

RESOURCES: Final[Mapping[Kind, Resource[Any]]] = {
    Kind.POD: PODS.into(Pod).narrowed(labels=CONTROL_PLANE_NS),
    Kind.EXTERNAL_WORKLOAD: EXTERNAL_WORKLOADS,
    Kind.SERVICE: SERVICES,
    Kind.SERVER: SERVERS,
    Kind.SERVER_AUTHORIZATION: SERVER_AUTHORIZATIONS,
    Kind.AUTHORIZATION_POLICY: AUTHORIZATION_POLICIES,
    Kind.MESH_TLS_AUTHENTICATION: MESH_TLS_AUTHENTICATIONS,
    Kind.NETWORK_AUTHENTICATION: NETWORK_AUTHENTICATIONS,
    Kind.RATE_LIMIT_POLICY: RATE_LIMITS,
    Kind.EGRESS_NETWORK: EGRESS_NETWORKS,
    Kind.HTTP_ROUTE: LINKERD_HTTP_ROUTES,
    Kind.GATEWAY_HTTP_ROUTE: HTTP_ROUTES,
    Kind.GRPC_ROUTE: GRPC_ROUTES,
    Kind.TLS_ROUTE: TLS_ROUTES,
    Kind.TCP_ROUTE: TCP_ROUTES,
}
"""Of pods only those in the mesh."""
