"""Routes and rate limits as they are, and how it stands with what they refer to."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from linkerd.index import Subject, Taker
from linkerd.index.filing import put
from linkerd.kube.objects import EgressNetwork, HTTPLocalRateLimitPolicy, Key, Server, Service
from linkerd.policy.references import EGRESS_NETWORK, SERVER, SERVICE
from services.policy.index.inbound.servers import Servers
from services.policy.index.kinds import Kind
from services.policy.index.routes import ROUTES
from services.policy.index.status.claims import LimitClaims, RouteClaims, limit_claim
from services.policy.index.status.names import StatusKey, Target
from services.policy.index.status.references import RouteObject, parents_of, targets_of
from services.policy.index.status.standing import (
    Standing,
    standing_of_egress_network,
    standing_of_service,
)
from services.policy.index.tables import Tables
from services.policy.model.mesh_settings import MeshSettings

_NOBODY: Final[Mapping[StatusKey, None]] = {}
_NONE: Final[frozenset[Any]] = frozenset()


class StatusTables(Tables):
    """Of a route or a policy that is filed itself, whoever writes statuses hears by the same event;
    `concerned` is told of the others that have to be looked at again because of it."""

    def __init__(self, mesh: MeshSettings, servers: Servers) -> None:
        self.routes: dict[StatusKey, RouteObject] = {}
        self.rate_limits: dict[Key, HTTPLocalRateLimitPolicy] = {}
        self.egress_networks: dict[Key, EgressNetwork] = {}
        self.route_claims = RouteClaims()
        self.limit_claims = LimitClaims()
        self.concerned: Callable[[Iterable[StatusKey]], None] = lambda _keys: None
        self._standing: dict[Target, Standing] = {}
        self._referring: dict[Target, dict[StatusKey, None]] = {}
        self._servers = servers
        self._standing_outside = partial(standing_of_egress_network, cluster=mesh.cluster_networks)

    def takers(self) -> Mapping[Kind, Taker]:
        return {
            Kind.SERVER: self._take_server,
            Kind.SERVICE: self._take_service,
            Kind.EGRESS_NETWORK: self._take_egress_network,
            Kind.RATE_LIMIT_POLICY: self._take_rate_limit,
            **{kind: partial(self._take_route, kind) for kind in ROUTES},
        }

    def __len__(self) -> int:
        return super().__len__() + len(self.route_claims) + len(self.limit_claims)

    def keys(self) -> Iterator[StatusKey]:
        """All objects whose status is ours to write."""
        yield from self.routes
        for kind, table in (
            (Kind.RATE_LIMIT_POLICY, self.rate_limits),
            (Kind.EGRESS_NETWORK, self.egress_networks),
        ):
            for key in table:
                yield StatusKey.of(kind, key)

    def standing(self, target: Target) -> Standing:
        """How it stands with an object, as others that refer to it see it."""
        return self._standing.get(target, Standing.MISSING)

    def _take_server(self, key: Key, _now: Server | None) -> Iterator[Subject]:
        means_something = key in self._servers.known  # by what was filed just before
        self._stand(Target(SERVER, *key), Standing.READY if means_something else None)
        return iter(())

    def _take_service(self, key: Key, now: Service | None) -> Iterator[Subject]:
        self._stand(Target(SERVICE, *key), None if now is None else standing_of_service(now))
        return iter(())

    def _take_egress_network(self, key: Key, now: EgressNetwork | None) -> Iterator[Subject]:
        put(self.egress_networks, key, now)
        standing = None if now is None else self._standing_outside(now)
        self._stand(Target(EGRESS_NETWORK, *key), standing)
        return iter(())

    def _stand(self, target: Target, now: Standing | None) -> None:
        if put(self._standing, target, now) != now:
            self.concerned(self._referring.get(target, _NOBODY))

    def _take_rate_limit(self, key: Key, now: HTTPLocalRateLimitPolicy | None) -> Iterator[Subject]:
        name = StatusKey.of(Kind.RATE_LIMIT_POLICY, key)
        before = put(self.rate_limits, key, now)
        was, is_ = (limit_claim(each) if each is not None else None for each in (before, now))
        if was != is_:
            servers = (_NONE if each is None else frozenset((each.server,)) for each in (was, is_))
            self._refer(name, *servers)
            self.concerned(list(self.limit_claims.replace(was, is_)))
        return iter(())

    def _take_route(self, kind: Kind, key: Key, now: Any) -> Iterator[Subject]:
        name = StatusKey.of(kind, key)
        before = put(self.routes, name, now)
        if before is None or now is None or before.spec != now.spec:
            was, is_ = (targets_of(each) if each is not None else _NONE for each in (before, now))
            self._refer(name, was, is_)
            self._claim(name, before, now)
        return iter(())

    def _refer(self, name: StatusKey, was: frozenset[Target], is_: frozenset[Target]) -> None:
        for target in was - is_:
            others = self._referring[target]
            del others[name]
            if not others:
                del self._referring[target]
        for target in is_ - was:
            self._referring.setdefault(target, {})[name] = None

    def _claim(self, name: StatusKey, before: RouteObject | None, now: RouteObject | None) -> None:
        was, is_ = (set(parents_of(each)) if each is not None else set() for each in (before, now))
        for part in was - is_:
            self.concerned(list(self.route_claims.remove(name, part)))
        for part in is_ - was:
            self.concerned(list(self.route_claims.add(name, part)))
