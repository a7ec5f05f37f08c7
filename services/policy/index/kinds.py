"""The kinds of objects that policy is made of."""

from enum import Enum


class Kind(Enum):
    """The value is Kubernetes' name of the kind, with its group where two have one name."""

    POD = "Pod"
    EXTERNAL_WORKLOAD = "ExternalWorkload"
    SERVICE = "Service"
    SERVER = "Server"
    SERVER_AUTHORIZATION = "ServerAuthorization"
    AUTHORIZATION_POLICY = "AuthorizationPolicy"
    MESH_TLS_AUTHENTICATION = "MeshTLSAuthentication"
    NETWORK_AUTHENTICATION = "NetworkAuthentication"
    RATE_LIMIT_POLICY = "HTTPLocalRateLimitPolicy"
    EGRESS_NETWORK = "EgressNetwork"
    HTTP_ROUTE = "HTTPRoute.policy.linkerd.io"
    GATEWAY_HTTP_ROUTE = "HTTPRoute.gateway.networking.k8s.io"
    GRPC_ROUTE = "GRPCRoute"
    TLS_ROUTE = "TLSRoute"
    TCP_ROUTE = "TCPRoute"
