"""What holds where no object says anything."""

from typing import Final

from linkerd.policy.authorizations import UNAUTHENTICATED, Authorization
from linkerd.policy.default_policies import DefaultPolicy
from linkerd.policy.matches import GrpcMatch, HttpMatch, PathKind, PathMatch
from linkerd.policy.servers import ProxyProtocol
from services.policy.model.inbound import (
    Authz,
    GrpcRoute,
    GrpcRule,
    HttpRoute,
    HttpRule,
    Origin,
    Port,
)
from services.policy.model.mesh_settings import MeshSettings

HTTP: Final = (ProxyProtocol.UNKNOWN, ProxyProtocol.HTTP_1, ProxyProtocol.HTTP_2)
"""Protocols of which proxies see HTTP requests."""

_ANY_REQUEST: Final = HttpRule((HttpMatch(PathMatch(PathKind.PREFIX, "/")),))
_ANY_HTTP: Final = HttpRoute(Origin.default("default"), rules=(_ANY_REQUEST,))
_ANY_CALL: Final = GrpcRule((GrpcMatch(),))

GRPC_ROUTES: Final = (GrpcRoute(Origin.default("default"), rules=(_ANY_CALL,)),)
"""The routes of a port that speaks gRPC."""


def http_routes(mesh: MeshSettings, probes: tuple[str, ...]) -> tuple[HttpRoute, ...]:
    """The routes of a port that may speak HTTP and at which kubelets ask for these paths."""
    if not probes or not mesh.probe_networks:
        return (_ANY_HTTP,)
    origin = Origin.default("probe")
    asked = [HttpMatch(PathMatch(PathKind.EXACT, path), method="GET") for path in probes]
    kubelets = Authz(origin, Authorization(mesh.probe_networks, UNAUTHENTICATED))
    probe = HttpRoute(origin, authorizations=(kubelets,), rules=(HttpRule(tuple(asked)),))
    return (_ANY_HTTP, probe)


def authorizations(mesh: MeshSettings, policy: DefaultPolicy) -> tuple[Authz, ...]:
    """What a default policy allows."""
    allowed = policy.authorization(mesh.cluster_networks)
    return (Authz(Origin.default(policy), allowed),) if allowed is not None else ()


def default_port(
    mesh: MeshSettings, policy: DefaultPolicy, protocol: ProxyProtocol, probes: tuple[str, ...]
) -> Port:
    """What a port is told that belongs to no Server."""
    return Port(
        Origin.default(policy),
        protocol,
        authorizations(mesh, policy),
        http_routes=http_routes(mesh, probes) if protocol in HTTP else (),
    )
