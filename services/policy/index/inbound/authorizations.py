"""Who may call what, filed by what it is about."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from linkerd.index import Complaints, Subject, Taker
from linkerd.index.filing import move, put
from linkerd.kube.objects import (
    AuthorizationPolicy,
    Key,
    LabelSelector,
    MeshTLSAuthentication,
    NetworkAuthentication,
    ServerAuthorization,
)
from linkerd.policy.authentications import (
    judge_mesh_tls_authentication,
    judge_network_authentication,
)
from linkerd.policy.authorization_policies import (
    RequiredAuthentications,
    judge_authorization_policy,
)
from linkerd.policy.authorizations import Authorization, MeshTls
from linkerd.policy.networks import Network
from linkerd.policy.references import GroupKind
from linkerd.policy.selectors import selects
from linkerd.policy.server_authorizations import (
    ServerAuthorizationPolicy,
    judge_server_authorization,
)
from services.policy.index.inbound import subjects as on
from services.policy.index.inbound.servers import Servers
from services.policy.index.judging import Judge, whole
from services.policy.index.kinds import Kind
from services.policy.index.tables import Tables
from services.policy.model.mesh_settings import MeshSettings

PolicyTarget = tuple[str, str, str]
"""Namespace, kind with group, and name."""


def target_of(namespace: str, kind: GroupKind, name: str) -> PolicyTarget:
    """What AuthorizationPolicies are filed under."""
    return namespace, str(kind), name


class Authorizations(Tables):
    """What ServerAuthorizations and AuthorizationPolicies say, and what these refer to."""

    def __init__(self, mesh: MeshSettings, servers: Servers, complaints: Complaints) -> None:
        domain: Final = mesh.identities
        self._servers = servers
        self._of_servers: dict[str, dict[str, ServerAuthorizationPolicy]] = {}  # by namespace
        self.policies: dict[Key, RequiredAuthentications] = {}
        self.policies_on: dict[PolicyTarget, tuple[Key, ...]] = {}
        self.mesh_tls: dict[Key, MeshTls] = {}
        self.networks: dict[Key, tuple[Network, ...]] = {}
        self._judge_server_authorization = Judge(
            Kind.SERVER_AUTHORIZATION,
            complaints,
            whole(lambda item: judge_server_authorization(item, domain)),
        )
        self._judge_policy = Judge(
            Kind.AUTHORIZATION_POLICY,
            complaints,
            whole(lambda item: judge_authorization_policy(item, domain)),
        )
        self._judge_mesh_tls = Judge(
            Kind.MESH_TLS_AUTHENTICATION,
            complaints,
            whole(lambda item: judge_mesh_tls_authentication(item, domain)),
        )
        self._judge_network = Judge(
            Kind.NETWORK_AUTHENTICATION, complaints, whole(judge_network_authentication)
        )

    def takers(self) -> Mapping[Kind, Taker]:
        return {
            Kind.SERVER_AUTHORIZATION: self._take_server_authorization,
            Kind.AUTHORIZATION_POLICY: self._take_policy,
            Kind.MESH_TLS_AUTHENTICATION: self._take_mesh_tls,
            Kind.NETWORK_AUTHENTICATION: self._take_network,
        }

    def of_server(
        self, server: Key, labels: Mapping[str, str]
    ) -> Iterator[tuple[str, Authorization]]:
        """What ServerAuthorizations allow at a Server, which has `labels`, by their names."""
        for name, each in sorted(self._of_servers.get(server.namespace, {}).items()):
            if each.authorization is not None and _is_for(each, server.name, labels):
                yield name, each.authorization

    def server_namespaces(self) -> Iterator[str]:
        """The namespace of each ServerAuthorization."""
        return (namespace for namespace, known in self._of_servers.items() for _ in known)

    def on_target(self, *targets: PolicyTarget) -> list[Key]:
        """The AuthorizationPolicies for any of the targets, sorted."""
        return sorted(key for target in targets for key in self.policies_on.get(target, ()))

    def _take_server_authorization(
        self, key: Key, now: ServerAuthorization | None
    ) -> Iterator[Subject]:
        said = self._judge_server_authorization(key, now)
        named = self._of_servers.setdefault(key.namespace, {})
        before = put(named, key.name, said)
        if not named:
            del self._of_servers[key.namespace]
        if before == said:
            return
        for server in {*self._servers_of(key, before), *self._servers_of(key, said)}:
            yield on.server_authorizations(key.namespace, server)

    def _servers_of(self, key: Key, said: ServerAuthorizationPolicy | None) -> Iterable[str]:
        if said is None:
            return ()
        if isinstance(said.server, str):
            return (said.server,)
        known = self._servers.of_namespace(key.namespace)
        return [name for name, server in known.items() if _is_for(said, name, server.labels)]

    def _take_policy(self, key: Key, now: AuthorizationPolicy | None) -> Iterator[Subject]:
        said = self._judge_policy(key, now)
        before = put(self.policies, key, said)
        if before == said:
            return
        was, targets = _targets(key, before), _targets(key, said)
        move(self.policies_on, key, was, targets)
        yield from [on.policies(*target) for target in was | targets]

    def _take_mesh_tls(self, key: Key, now: MeshTLSAuthentication | None) -> Iterator[Subject]:
        said = self._judge_mesh_tls(key, now)
        if put(self.mesh_tls, key, said) != said:
            yield on.mesh_tls(*key)

    def _take_network(self, key: Key, now: NetworkAuthentication | None) -> Iterator[Subject]:
        said = self._judge_network(key, now)
        if put(self.networks, key, said) != said:
            yield on.network(*key)


def _is_for(policy: ServerAuthorizationPolicy, server: str, labels: Mapping[str, str]) -> bool:
    chosen = policy.server
    if isinstance(chosen, LabelSelector):
        return selects(chosen, labels)
    return chosen == server


def _targets(key: Key, said: RequiredAuthentications | None) -> frozenset[PolicyTarget]:
    if said is None:
        return frozenset()
    return frozenset({target_of(key.namespace, said.target.kind, said.target.name)})
