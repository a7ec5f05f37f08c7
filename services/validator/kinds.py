"""The kinds that are judged, each by the code that the policy service reads it by."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from linkerd.kube import resource
from linkerd.kube.objects import HTTPRoute, KubeObject
from linkerd.kube.resource import Resource
from linkerd.mesh.control_plane import NAMESPACE
from linkerd.mesh.names import DEFAULT_DOMAIN, IdentityDomain
from linkerd.policy.authentications import (
    judge_mesh_tls_authentication,
    judge_network_authentication,
)
from linkerd.policy.authorization_policies import judge_authorization_policy
from linkerd.policy.egress_networks import judge_egress_network
from linkerd.policy.errors import PolicyError
from linkerd.policy.rate_limits import judge_rate_limit
from linkerd.policy.references import GATEWAY_GROUP, GroupKind
from linkerd.policy.route_admission import (
    check_grpc_route,
    check_http_route,
    check_tcp_route,
    check_tls_route,
)
from linkerd.policy.server_authorizations import judge_server_authorization
from linkerd.policy.servers import judge_server

T = TypeVar("T", bound=KubeObject)

_DOMAIN: Final = IdentityDomain(NAMESPACE, DEFAULT_DOMAIN)
"""No object is wrong for the names that identities have here."""


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """`judge` raises PolicyError for what must not be stored."""

    resource: Resource[T]
    judge: Callable[[T], object]

    @property
    def name(self) -> GroupKind:
        """What requests call it."""
        return GroupKind(self.resource.group, self.resource.kind)

    @property
    def is_ours(self) -> bool:
        """Whether there are no other controllers that may know what we cannot read."""
        return self.resource.group != GATEWAY_GROUP


def _first(faults: Sequence[PolicyError]) -> None:
    if faults:
        raise faults[0]


def _http_route(of: Resource[HTTPRoute]) -> Kind[HTTPRoute]:
    group = GroupKind(of.group, of.kind)
    return Kind(of, lambda route: check_http_route(route, group))


SERVICE_PROFILE: Final = GroupKind(resource.SERVICE_PROFILES.group, resource.SERVICE_PROFILES.kind)

KINDS: Final[tuple[Kind[Any], ...]] = (
    Kind(resource.SERVERS, lambda server: _first(judge_server(server)[1])),
    Kind(
        resource.SERVER_AUTHORIZATIONS,
        lambda authorization: judge_server_authorization(authorization, _DOMAIN),
    ),
    Kind(
        resource.AUTHORIZATION_POLICIES, lambda policy: judge_authorization_policy(policy, _DOMAIN)
    ),
    Kind(
        resource.MESH_TLS_AUTHENTICATIONS,
        lambda authentication: judge_mesh_tls_authentication(authentication, _DOMAIN),
    ),
    Kind(resource.NETWORK_AUTHENTICATIONS, judge_network_authentication),
    Kind(resource.RATE_LIMITS, lambda policy: _first(judge_rate_limit(policy, _DOMAIN)[1])),
    Kind(resource.EGRESS_NETWORKS, lambda network: _first(judge_egress_network(network)[1])),
    _http_route(resource.LINKERD_HTTP_ROUTES),
    _http_route(resource.HTTP_ROUTES),
    Kind(resource.GRPC_ROUTES, check_grpc_route),
    Kind(resource.TLS_ROUTES, check_tls_route),
    Kind(resource.TCP_ROUTES, check_tcp_route),
)

RESOURCES: Final = frozenset(
    {resource.SERVICE_PROFILES.plural, *(kind.resource.plural for kind in KINDS)}
)
