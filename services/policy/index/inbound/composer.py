"""A Server's policy, put together from all objects that have a say in it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, TypeVar

from linkerd.index import Complaints, Subject
from linkerd.kube.objects import Key
from linkerd.policy.authorization_policies import RequiredAuthentications
from linkerd.policy.authorizations import (
    UNAUTHENTICATED,
    Authentication,
    Authorization,
    MeshTls,
)
from linkerd.policy.networks import ALL_NETWORKS, Network
from linkerd.policy.references import NAMESPACE, POLICY_GROUP, SERVER
from linkerd.policy.servers import ProxyProtocol
from services.policy.index.inbound import defaults
from services.policy.index.inbound import subjects as on
from services.policy.index.inbound.attachments import Attached
from services.policy.index.inbound.authorizations import PolicyTarget, target_of
from services.policy.index.inbound.servers import KnownServer
from services.policy.index.kinds import Kind
from services.policy.index.objects import Objects
from services.policy.model.inbound import (
    Authz,
    GrpcRoute,
    HttpRoute,
    Limits,
    Origin,
    Port,
)
from services.policy.model.mesh_settings import MeshSettings

R = TypeVar("R", HttpRoute, GrpcRoute)

_REQUIRED: Final = "spec.requiredAuthenticationRefs"


class Composer:
    """Puts together what a Server's ports are told, without the default routes of HTTP. `subjects`
    are what that came from."""

    def __init__(
        self, mesh: MeshSettings, objects: Objects, complaints: Complaints, server: Key
    ) -> None:
        self._mesh = mesh
        self._objects = objects
        self._complaints = complaints
        self._key = server
        self.subjects: set[Subject] = {on.server(*server)}

    def port(self) -> Port | None:
        """What is told; None if there is no such Server."""
        server = self._objects.servers.known.get(self._key)
        if server is None:
            return None
        protocol = server.policy.protocol
        is_http, is_grpc = protocol in defaults.HTTP, protocol is ProxyProtocol.GRPC
        return Port(
            Origin(POLICY_GROUP, "server", self._key.name),
            protocol,
            authorizations=tuple(self._authorizations(server)),
            http_routes=self._http_routes() if is_http else (),
            grpc_routes=self._grpc_routes() if is_grpc else (),
            limits=self._limits() if is_http else None,
        )

    def _authorizations(self, server: KnownServer) -> Iterator[Authz]:
        """ServerAuthorizations, then AuthorizationPolicies, each by name, then what the Server
        itself allows."""
        namespace, name = self._key
        self.subjects.add(on.server_authorizations(namespace, name))
        found = self._objects.authorizations.of_server(self._key, server.labels)
        for name_, allowed in found:
            origin = Origin(POLICY_GROUP, "serverauthorization", name_)
            yield Authz(origin, self._with_networks(allowed))
        yield from self._required_at(
            target_of(namespace, SERVER, name), target_of(namespace, NAMESPACE, namespace)
        )
        yield from defaults.authorizations(self._mesh, server.policy.access)

    def _with_networks(self, allowed: Authorization) -> Authorization:
        if allowed.networks:
            return allowed
        return Authorization(self._mesh.cluster_networks, allowed.authentication)

    def _required_at(self, *targets: PolicyTarget) -> Iterator[Authz]:
        """What AuthorizationPolicies for these targets allow."""
        self.subjects.update(on.policies(*target) for target in targets)
        authorizations = self._objects.authorizations
        for key in authorizations.on_target(*targets):
            allowed = self._required(key, authorizations.policies[key])
            if allowed is not None:
                yield Authz(Origin(POLICY_GROUP, "authorizationpolicy", key.name), allowed)

    def _required(self, key: Key, required: RequiredAuthentications) -> Authorization | None:
        """What a policy allows: nothing as long as something is not there that it requires."""
        networks: tuple[Network, ...] | None = ALL_NETWORKS
        authentication: Authentication | None = UNAUTHENTICATED
        if required.identity is not None:
            authentication = MeshTls((required.identity,))
        if required.mesh_tls is not None:
            self.subjects.add(on.mesh_tls(*required.mesh_tls))
            authentication = self._objects.authorizations.mesh_tls.get(required.mesh_tls)
            self._check(key, "MeshTLSAuthentication", required.mesh_tls, authentication)
        if required.network is not None:
            self.subjects.add(on.network(*required.network))
            networks = self._objects.authorizations.networks.get(required.network)
            self._check(key, "NetworkAuthentication", required.network, networks)
        if authentication is None or networks is None:
            return None
        return Authorization(networks, authentication)

    def _check(self, policy: Key, kind: str, key: Key, found: object) -> None:
        if found is None:
            problem = f"no usable {kind} {key.namespace}/{key.name}: it allows nobody until then"
            self._complaints.about(Kind.AUTHORIZATION_POLICY.value, *policy, _REQUIRED, problem)

    def _http_routes(self) -> tuple[HttpRoute, ...]:
        self.subjects.add(on.routes(*self._key))
        return tuple(map(self._authorized, self._objects.attachments.http(self._key)))

    def _grpc_routes(self) -> tuple[GrpcRoute, ...]:
        self.subjects.add(on.routes(*self._key))
        attached = self._objects.attachments.grpc(self._key)
        return tuple(map(self._authorized, attached)) or defaults.GRPC_ROUTES

    def _authorized(self, attached: Attached[R]) -> R:
        """The route itself where nothing is allowed besides: it is encoded already."""
        allowed = tuple(self._required_at(attached.target))
        return replace(attached.told, authorizations=allowed, memo=[]) if allowed else attached.told

    def _limits(self) -> Limits | None:
        self.subjects.add(on.rate_limits(*self._key))
        found = self._objects.servers.limit(self._key)
        if found is None:
            return None
        return Limits(Origin(POLICY_GROUP, Kind.RATE_LIMIT_POLICY.value, found.name), found.limit)
