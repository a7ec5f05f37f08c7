"""Which routes are attached to which Servers."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final, cast

from linkerd.index import Subject, Taker
from linkerd.kube.objects import Key
from linkerd.policy.parents import CONTROLLER
from linkerd.policy.references import GRPC_ROUTE, SERVER
from linkerd.policy.routes import GrpcRoute, HttpRoute
from services.policy.index.inbound import subjects as on
from services.policy.index.kinds import Kind
from services.policy.index.routes import RouteKey, Routes
from services.policy.index.tables import Tables

Attached = HttpRoute | GrpcRoute

_KINDS: Final = (Kind.HTTP_ROUTE, Kind.GATEWAY_HTTP_ROUTE, Kind.GRPC_ROUTE)


class Attachments(Tables):
    """Routes of HTTP and of gRPC by the Servers that they are attached to: that they name, and that
    the controller has accepted."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._servers: dict[RouteKey, frozenset[Key]] = {}  # of a route
        self._of: dict[Key, dict[RouteKey, Attached]] = {}  # of a Server

    def takers(self) -> Mapping[Kind, Taker]:
        return {kind: partial(self._take, kind) for kind in _KINDS}

    def http(self, server: Key) -> list[HttpRoute]:
        """The HTTPRoutes of a Server, those first that count before others."""
        return cast("list[HttpRoute]", self._sorted(server, is_grpc=False))

    def grpc(self, server: Key) -> list[GrpcRoute]:
        """The GRPCRoutes of a Server, those first that count before others."""
        return cast("list[GrpcRoute]", self._sorted(server, is_grpc=True))

    def _sorted(self, server: Key, *, is_grpc: bool) -> list[Attached]:
        known = self._of.get(server, {}).values()
        routes = [route for route in known if (route.kind == GRPC_ROUTE) is is_grpc]
        return sorted(routes, key=lambda route: route.order)

    def _take(self, kind: Kind, key: Key, _now: Any) -> Iterator[Subject]:
        name = RouteKey(kind, key)
        route = cast("Attached | None", self._routes.judged.get(name))
        before = self._servers.pop(name, frozenset())
        servers = attached_to(route) if route is not None else frozenset()
        for server in before - servers:
            others = self._of[server]
            del others[name]
            if not others:
                del self._of[server]
        if route is not None and servers:
            self._servers[name] = servers
            for server in servers:
                self._of.setdefault(server, {})[name] = route
        yield from [on.routes(*server) for server in before | servers]


def attached_to(route: Attached) -> frozenset[Key]:
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
