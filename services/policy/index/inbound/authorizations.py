"""Who may call what, filed by what it is about."""

from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
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
from linkerd.policy.errors import PolicyError
from linkerd.policy.networks import Network
from linkerd.policy.references import GroupKind
from linkerd.policy.selectors import selects
from linkerd.policy.server_authorizations import (
    ServerAuthorizationPolicy,
    judge_server_authorization,
)
from services.policy.index.inbound import subjects as on
from services.policy.index.inbound.places import Place, Placed, place_of, places_of
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
        self.of_servers: dict[Key, ServerAuthorizationPolicy] = {}
        self._placed: Placed[Key, ServerAuthorizationPolicy] = Placed()
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
            whole(lambda item: _naming(judge_mesh_tls_authentication(item, domain))),
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
        near = self._placed.near((_by_name(server), *places_of((server.namespace,), labels)))
        for key, said in sorted(near.items(), key=itemgetter(0)):
            if said.authorization is not None and _is_for(said, server, labels):
                yield key.name, said.authorization

    def on_target(self, *targets: PolicyTarget) -> list[Key]:
        """The AuthorizationPolicies for any of the targets, sorted."""
        return sorted(key for target in targets for key in self.policies_on.get(target, ()))

    def _take_server_authorization(
        self, key: Key, now: ServerAuthorization | None
    ) -> Iterator[Subject]:
        said = self._judge_server_authorization(key, now)
        before = put(self.of_servers, key, said)
        if before == said:
            return
        if before is not None:
            self._placed.remove(key, (_place(key, before),))
        if said is not None:
            self._placed.place(key, said, (_place(key, said),))
        for server in {*self._servers_of(key, before), *self._servers_of(key, said)}:
            yield on.server_authorizations(*server)

    def _servers_of(self, key: Key, said: ServerAuthorizationPolicy | None) -> Iterable[Key]:
        if said is None:
            return ()
        if isinstance(said.server, str):
            return (Key(key.namespace, said.server),)
        near = self._servers.placed.near((_place(key, said),))
        return [server for server, known in near.items() if _is_for(said, server, known.labels)]

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


def _naming(clients: MeshTls) -> MeshTls:
    """Raises PolicyError where nobody is named: schemas let nothing through like that."""
    if not clients.identities:
        raise PolicyError("spec.identities", "must name clients, or spec.identityRefs")
    return clients


def _by_name(server: Key) -> Place:
    """Where those are that look for a Server by its name; no label has an empty key."""
    return (server.namespace, "", server.name)


def _place(key: Key, said: ServerAuthorizationPolicy) -> Place:
    if isinstance(said.server, str):
        return _by_name(Key(key.namespace, said.server))
    return place_of((key.namespace,), said.server)


def _is_for(policy: ServerAuthorizationPolicy, server: Key, labels: Mapping[str, str]) -> bool:
    chosen = policy.server
    if isinstance(chosen, LabelSelector):
        return selects(chosen, labels)
    return chosen == server.name


def _targets(key: Key, said: RequiredAuthentications | None) -> frozenset[PolicyTarget]:
    if said is None:
        return frozenset()
    return frozenset({target_of(key.namespace, said.target.kind, said.target.name)})
