"""Which routes are attached to which Servers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, TypeVar, cast

from linkerd.index import Subject, Taker
from linkerd.kube.objects import Key
from linkerd.policy import routes as judged
from linkerd.policy.filters import Filter, ResponseHeaders
from linkerd.policy.parents import CONTROLLER
from linkerd.policy.references import GRPC_ROUTE, SERVER
from services.policy.index.inbound import subjects as on
from services.policy.index.inbound.authorizations import PolicyTarget, target_of
from services.policy.index.kinds import Kind
from services.policy.index.routes import RouteKey, Routes
from services.policy.index.tables import Tables
from services.policy.model.inbound import GrpcRoute, GrpcRule, HttpRoute, HttpRule, Origin

Judged = judged.HttpRoute | judged.GrpcRoute
R = TypeVar("R", HttpRoute, GrpcRoute)

_KINDS: Final = (Kind.HTTP_ROUTE, Kind.GATEWAY_HTTP_ROUTE, Kind.GRPC_ROUTE)


@dataclass(frozen=True, slots=True)
class Attached(Generic[R]):
    """A route, as it is told but for what the AuthorizationPolicies for `target` allow. `order` is
    what routes are sorted by."""

    order: tuple[Any, ...]
    target: PolicyTarget
    told: R


class Attachments(Tables):
    """Routes of HTTP and of gRPC by the Servers that they are attached to: that they name, and that
    the controller has accepted."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._servers: dict[RouteKey, frozenset[Key]] = {}  # of a route
        self._http: dict[Key, dict[RouteKey, Attached[HttpRoute]]] = {}  # of a Server
        self._grpc: dict[Key, dict[RouteKey, Attached[GrpcRoute]]] = {}

    def takers(self) -> Mapping[Kind, Taker]:
        return {kind: partial(self._take, kind) for kind in _KINDS}

    def http(self, server: Key) -> list[Attached[HttpRoute]]:
        """The HTTPRoutes of a Server, those first that count before others."""
        return sorted(self._http.get(server, {}).values(), key=lambda each: each.order)

    def grpc(self, server: Key) -> list[Attached[GrpcRoute]]:
        """The GRPCRoutes of a Server, those first that count before others."""
        return sorted(self._grpc.get(server, {}).values(), key=lambda each: each.order)

    def _take(self, kind: Kind, key: Key, _now: Any) -> Iterator[Subject]:
        name = RouteKey(kind, key)
        route = cast("Judged | None", self._routes.judged.get(name))
        before = self._servers.pop(name, frozenset())
        servers = attached_to(route) if route is not None else frozenset()
        table: dict[Key, dict[RouteKey, Any]] = (
            self._grpc if kind is Kind.GRPC_ROUTE else self._http
        )
        for server in before - servers:
            others = table[server]
            del others[name]
            if not others:
                del table[server]
        if route is not None and servers:
            self._servers[name] = servers
            attached = _attached(route)
            for server in servers:
                table.setdefault(server, {})[name] = attached
        yield from [on.routes(*server) for server in before | servers]


def _attached(route: Judged) -> Attached[Any]:
    origin = Origin(route.kind.group, route.kind.kind, route.key.name)
    told: HttpRoute | GrpcRoute
    if route.kind == GRPC_ROUTE:
        calls = cast("judged.GrpcRoute", route).rules
        grpc = tuple(GrpcRule(rule.matches, _told(rule.filters)) for rule in calls)
        told = GrpcRoute(origin, route.hosts, rules=grpc)
    else:
        requests = cast("judged.HttpRoute", route).rules
        http = tuple(HttpRule(rule.matches, _told(rule.filters)) for rule in requests)
        told = HttpRoute(origin, route.hosts, rules=http)
    target = target_of(route.key.namespace, route.kind, route.key.name)
    return Attached(route.order, target, told)


def _told(filters: tuple[Filter, ...]) -> tuple[Filter, ...]:
    """Proxies of servers change no responses."""
    return tuple(each for each in filters if not isinstance(each, ResponseHeaders))


def attached_to(route: Judged) -> frozenset[Key]:
    """The Servers that `route` is attached to. One that asks for a Server of another namespace, or
    for a part of one, is attached to none."""
    named = [parent for parent in route.parents if parent.kind == SERVER]
    if any(
        parent.namespace != route.key.namespace
        or parent.port is not None
        or parent.section is not None
        for parent in named
    ):
        return frozenset()
    accepted = {
        each.parent.name
        for each in route.acceptances
        if each.controller == CONTROLLER and each.parent.kind == SERVER
    }
    return frozenset(
        Key(parent.namespace, parent.name) for parent in named if parent.name in accepted
    )
