"""The policy of a port of a Service or EgressNetwork, put together from what the parent says, the
routes that are attached to it, and which backends exist."""

from typing import Any, Final

from linkerd.index import Complaints, Derived, Subject, Watch
from linkerd.kube.objects import Key
from linkerd.policy.references import (
    EGRESS_NETWORK,
    GATEWAY_HTTP_ROUTE,
    GRPC_ROUTE,
    LINKERD_HTTP_ROUTE,
    SERVICE,
    TCP_ROUTE,
    TLS_ROUTE,
    GroupKind,
)
from services.policy.index.outbound import subjects as on
from services.policy.index.outbound.attachment import attached
from services.policy.index.outbound.backends import Backends, resource_of
from services.policy.index.outbound.filing import OutboundTables
from services.policy.index.outbound.rules import Rules, name_of
from services.policy.index.outbound.settings import AppProtocol, Settings
from services.policy.index.outbound.targets import Parent
from services.policy.index.routes import JudgedRoute
from services.policy.model.mesh_settings import MeshSettings
from services.policy.model.outbound import OutboundPolicy, Protocol, Route

_KINDS: Final = {kind.kind: kind for kind in (SERVICE, EGRESS_NETWORK)}
MAX_ROUTES: Final = 1_000
"""Of a port. Each change costs all of them, and all clients of the port are told all of them."""

_HTTP: Final = (LINKERD_HTTP_ROUTE, GATEWAY_HTTP_ROUTE)


class PolicyBook:
    """Derives policies by `subjects.policy`."""

    def __init__(
        self,
        mesh: MeshSettings,
        tables: OutboundTables,
        settings: Derived[Settings],
        complaints: Complaints,
    ) -> None:
        self._mesh = mesh
        self._tables = tables
        self._settings = settings
        self._complaints = complaints

    def derive(self, subject: Subject, watch: Watch) -> OutboundPolicy:
        """The policy of a port, as clients see it in whose namespace routes of the parent stand, or
        as all others do."""
        _, kind_name, namespace, name, port, source, ip = subject
        kind = _KINDS[kind_name]
        parent = Parent(kind, Key(namespace, name), int(port), ip)
        sources = [namespace, source] if source else [namespace]
        places = [on.routes(kind, namespace, name, each) for each in sources]
        settings_subject = on.settings(kind, namespace, name)
        subjects: set[Subject] = {settings_subject, *places}
        try:
            settings = self._settings.at(settings_subject) or Settings()
            known = [self._tables.routes_of.get(each, {}) for each in places]
            routes = attached((route for each in known for route in each.values()), parent)
            self._check_number(parent, routes)
            return self._policy(parent, settings, routes, subjects)
        finally:
            watch(subjects)

    def _check_number(self, parent: Parent, routes: list[JudgedRoute]) -> None:
        if len(routes) > MAX_ROUTES:
            problem = f"has more than {MAX_ROUTES} routes: the newest are left out"
            self._complaints.about(parent.kind.kind, *parent.key, f"port {parent.port}", problem)
            del routes[MAX_ROUTES:]

    def _policy(
        self, parent: Parent, settings: Settings, routes: list[Any], subjects: set[Subject]
    ) -> OutboundPolicy:
        def backends(*, weighing: bool) -> Backends:
            bias = settings.bias if weighing else None
            return Backends(self._tables, parent, self._mesh.cluster_domain, bias, subjects)

        rules = Rules(
            parent=parent,
            settings=settings,
            weighing=backends(weighing=True),
            plain=backends(weighing=False),
            request_headers=self._mesh.request_headers,
        )
        return _Assembly(rules, routes).policy(settings.protocol(parent.port))


class _Assembly:
    """Routes of all kinds that are attached to a port, made one policy."""

    def __init__(self, rules: Rules, routes: list[Any]) -> None:
        self._rules = rules
        self._routes = routes
        self._name = resource_of(rules.parent)
        self._is_egress = rules.parent.kind == EGRESS_NETWORK

    def policy(self, protocol: AppProtocol | None) -> OutboundPolicy:
        """By what the port speaks, or else by the routes that there are."""
        match protocol:
            case AppProtocol.HTTP_1:
                return self._http(Protocol.HTTP_1)
            case AppProtocol.HTTP_2:
                return self._grpc() if self._has(GRPC_ROUTE) else self._http(Protocol.HTTP_2)
            case AppProtocol.OPAQUE:
                return self._opaque()
        if self._has(GRPC_ROUTE):
            return self._grpc()
        if self._has(*_HTTP):
            return self._http(Protocol.DETECT)
        if self._has(TLS_ROUTE):
            return self._tls()
        return self._opaque() if self._has(TCP_ROUTE) else self._http(Protocol.DETECT)

    def _of(self, *kinds: GroupKind) -> list[Any]:
        return [route for route in self._routes if route.kind in kinds]

    def _has(self, *kinds: GroupKind) -> bool:
        return any(route.kind in kinds for route in self._routes)

    def _http(self, protocol: Protocol) -> OutboundPolicy:
        routes = [self._rules.http(route) for route in self._of(*_HTTP)]
        if self._is_egress or not routes:
            routes.append(self._rules.default_http())
        stream = self._rules.default_stream() if protocol is Protocol.DETECT else None
        return self._calls(protocol, routes, stream)

    def _grpc(self) -> OutboundPolicy:
        routes = [self._rules.grpc(route) for route in self._of(GRPC_ROUTE)]
        if self._is_egress:
            routes.append(self._rules.default_grpc())
        return self._calls(Protocol.GRPC, routes, None)

    def _calls(
        self, protocol: Protocol, routes: list[Route], stream: Route | None
    ) -> OutboundPolicy:
        accrual = self._rules.settings.accrual
        return OutboundPolicy(self._name, protocol, tuple(routes), stream, accrual)

    def _tls(self) -> OutboundPolicy:
        routes = [self._rules.connections(route) for route in self._of(TLS_ROUTE)]
        if self._is_egress:
            routes.append(self._rules.default_tls())
        return OutboundPolicy(self._name, Protocol.TLS, tuple(routes))

    def _opaque(self) -> OutboundPolicy:
        first, *others = self._of(TCP_ROUTE) or (None,)
        stream = self._rules.connections(first) if first else self._rules.default_stream()
        spares = tuple(map(name_of, others))
        return OutboundPolicy(self._name, Protocol.OPAQUE, stream=stream, spares=spares)
