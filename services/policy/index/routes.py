"""Routes of all kinds, judged once for all who read them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from linkerd.index import Complaints, Subject, Taker
from linkerd.index.filing import put
from linkerd.kube.objects import Key
from linkerd.policy.connection_routes import judge_tcp_route, judge_tls_route
from linkerd.policy.errors import PolicyError
from linkerd.policy.grpc_routes import judge_grpc_route
from linkerd.policy.http_routes import judge_http_route
from linkerd.policy.parents import CONTROLLER, Parent, is_called, is_meshed
from linkerd.policy.references import GATEWAY_HTTP_ROUTE, LINKERD_HTTP_ROUTE
from linkerd.policy.routes import ConnectionRule, GrpcRule, HttpRule, Route
from services.policy.index.kinds import Kind
from services.policy.index.tables import Tables

JudgedRoute = Route[HttpRule] | Route[GrpcRule] | Route[ConnectionRule]
Judge = Callable[[Any], JudgedRoute]


class RouteKey(NamedTuple):
    """What names a route among those of all kinds."""

    kind: Kind
    object: Key


ROUTES: Final[Mapping[Kind, Judge]] = {
    Kind.HTTP_ROUTE: lambda route: judge_http_route(route, LINKERD_HTTP_ROUTE),
    Kind.GATEWAY_HTTP_ROUTE: lambda route: judge_http_route(route, GATEWAY_HTTP_ROUTE),
    Kind.GRPC_ROUTE: judge_grpc_route,
    Kind.TLS_ROUTE: judge_tls_route,
    Kind.TCP_ROUTE: judge_tcp_route,
}


class Routes(Tables):
    """The routes of the mesh that mean something. One that does not is complained of, and counts as
    absent; what others than us have parents for is theirs to judge."""

    def __init__(self, complaints: Complaints) -> None:
        self.judged: dict[RouteKey, JudgedRoute] = {}
        self._complaints = complaints

    def takers(self) -> Mapping[Kind, Taker]:
        return {kind: self._taker(kind, judge) for kind, judge in ROUTES.items()}

    def _taker(self, kind: Kind, judge: Judge) -> Taker:
        def take(key: Key, now: Any) -> Iterator[Subject]:
            if now is None:
                self._complaints.forget(kind.value, *key)
            put(self.judged, RouteKey(kind, key), self._judged(kind, key, judge, now))
            return iter(())

        return take

    def _judged(self, kind: Kind, key: Key, judge: Judge, now: Any) -> JudgedRoute | None:
        if now is None or not is_meshed(now.spec.parent_refs):
            return None
        try:
            route = judge(now)
        except PolicyError as error:
            self._complaints.about(kind.value, *key, error.field, error.problem)
            return None
        if isinstance(route.calls, PolicyError) and is_called(now.spec.parent_refs):
            self._complaints.about(kind.value, *key, route.calls.field, route.calls.problem)
        return route


def accepted(route: JudgedRoute) -> Iterable[Parent]:
    """The parents that our controller says take the route."""
    return (each.parent for each in route.acceptances if each.controller == CONTROLLER)


def kept(route: JudgedRoute) -> Iterable[Parent]:
    """Where the route stays until its status tells of the parents that it has now: one that moves
    is always somewhere."""
    return accepted(route) if route.pending else ()
