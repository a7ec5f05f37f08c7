"""The second opinion of `outbound_model` on one parent: a port of a Service or EgressNetwork, its
routes, and where they lead."""

from typing import Any, Final

from linkerd.mesh import labels
from services.policy.index.kinds import Kind
from tests.support.policy.objects import CONTROLLER
from tests.support.policy.outbound_objects import ROUTES

OPAQUE: Final = 3306  # as `outbound_law` sets the mesh
STREAM: Final = (None, 0)
"""Timeouts and retries of bytes."""

_HTTP: Final = (Kind.HTTP_ROUTE, Kind.GATEWAY_HTTP_ROUTE)
_STREAMS: Final = (Kind.TLS_ROUTE, Kind.TCP_ROUTE)


class ParentModel:
    """Of one parent."""

    def __init__(
        self, model: Any, kind: str, key: tuple[str, str], ip: str, parent: Any, notes: Any
    ) -> None:
        self.model = model
        self.kind = kind
        self.key = key
        self.ip = ip
        self.parent = parent
        self.notes = notes
        self.is_egress = kind == "EgressNetwork"
        self.denies = self.is_egress and parent.spec.traffic_policy != "Allow"
        self.attached = sorted(filter(self.attaches, model.routes), key=_order)

    def attaches(self, known: tuple[Kind, Any]) -> bool:
        kind, route = known
        namespace = route.metadata.namespace
        return (
            namespace in (self.key[0], self.model.source)
            and _is_sound(kind, route)
            and any(
                self.is_named(reference, namespace)
                and (reference.port is not None or not self.is_egress)
                for reference in _named(route)
            )
            and any(self.is_named(reference, namespace) for reference in _accepted(route))
        )

    def is_named(self, reference: Any, namespace: str) -> bool:
        named = (reference.namespace or namespace, reference.name)
        return (
            reference.kind == self.kind
            and named == self.key
            and reference.port in (None, self.model.port)
        )

    def told(self) -> Any:
        protocol = self.protocol()
        routes: list[Any] = []
        stream: Any = None
        if protocol in ("detect", "http1", "http2"):
            routes = [self.route(kind, each) for kind, each in self.of(*_HTTP)]
            if self.is_egress or not routes:
                routes.append(self.default("http", "http", self.limits({}, "http")))
        elif protocol in ("grpc", "tls"):
            wanted = Kind.GRPC_ROUTE if protocol == "grpc" else Kind.TLS_ROUTE
            routes = [self.route(kind, each) for kind, each in self.of(wanted)]
            if self.is_egress:
                limits = self.limits({}, "grpc") if protocol == "grpc" else STREAM
                routes.append(self.default("", protocol, limits))
        if protocol == "opaque" and self.of(Kind.TCP_ROUTE):
            stream = self.route(*self.of(Kind.TCP_ROUTE)[0])
        elif protocol in ("opaque", "detect"):
            stream = self.default("opaq", "tcp", STREAM)
        is_broken = self.notes.get(labels.FAILURE_ACCRUAL) == "consecutive"
        breaks = is_broken and protocol not in ("tls", "opaque")
        name = self.model.name(self.kind, self.key)
        return self.model.told(name, protocol, routes, stream, breaks)

    def of(self, *kinds: Kind) -> list[tuple[Kind, Any]]:
        return [known for known in self.attached if known[0] in kinds]

    def protocol(self) -> str:
        ports = self.parent.spec.ports if self.parent is not None and not self.is_egress else ()
        for port in ports:
            if port.port == self.model.port and port.app_protocol:
                said = port.app_protocol.lower()
                if said == "kubernetes.io/h2c":
                    return "grpc" if self.of(Kind.GRPC_ROUTE) else "http2"
                return "http1" if said == "http" else "opaque"
        listed = self.notes.get(labels.OPAQUE_PORTS)
        opaque = {None: OPAQUE, "9090": 9090}.get(listed)
        if self.model.port == opaque:
            return "opaque"
        for kinds, protocol in [
            ((Kind.GRPC_ROUTE,), "grpc"),
            (_HTTP, "detect"),
            ((Kind.TLS_ROUTE,), "tls"),
            ((Kind.TCP_ROUTE,), "opaque"),
        ]:
            if self.of(*kinds):
                return protocol
        return "detect"

    def default(self, service: str, egress: str, limits: Any) -> Any:
        action = "deny" if self.denies else "allow"
        name = f"{egress}-egress-{action}" if self.is_egress else service
        backends = [(self.place(weighs=limits is not STREAM), 1)]
        return (name, (), [(self.denies, "first", backends, *limits)])

    def place(self, *, weighs: bool) -> str:
        if self.is_egress:
            return f"forward {self.ip}"
        return self.balancer(self.key, self.model.port, weighs=weighs)

    def balancer(self, key: tuple[str, str], port: int, *, weighs: bool) -> str:
        weighing = weighs and not self.is_egress and labels.PENALIZE_FAILURES in self.notes
        mark = "*" if weighing else ""
        return f"{key[1]}.{key[0]}.svc.cluster.local:{port}{mark}"

    def route(self, kind: Kind, route: Any) -> Any:
        names = {
            Kind.HTTP_ROUTE: "HTTPRoute",
            Kind.GATEWAY_HTTP_ROUTE: "HTTPRoute",
            Kind.GRPC_ROUTE: "GRPCRoute",
            Kind.TLS_ROUTE: "TLSRoute",
            Kind.TCP_ROUTE: "TCPRoute",
        }
        metadata = route.metadata
        name = f"{names[kind]} {metadata.namespace}/{metadata.name}:0"
        hosts = tuple(getattr(route.spec, "hostnames", ())) if kind is not Kind.TCP_ROUTE else ()
        return (name, hosts, [self.rule(kind, route, rule) for rule in route.spec.rules])

    def rule(self, kind: Kind, route: Any, rule: Any) -> Any:
        streams = kind in _STREAMS
        references = rule.backend_refs
        backends = [
            (self.backend(each, route.metadata.namespace, weighs=not streams), each.weight)
            for each in references
        ]
        if len(backends) > 1 and not any(weight for _, weight in backends):
            backends = [("fails: no backend has a weight", 1)]
        if streams:
            limits: Any = STREAM
        else:
            family = "grpc" if kind is Kind.GRPC_ROUTE else "http"
            spec = getattr(rule, "timeouts", None)
            own = 2 if spec is not None and spec.request == "2s" else None
            limits = self.limits(route.metadata.annotations, family, own)
        if not backends:
            return (False, "first", [(self.place(weighs=not streams), 1)], *limits)
        return (False, "random", backends, *limits)

    def limits(self, own: Any, family: str, request: int | None = None) -> Any:
        """Timeouts in seconds, and how often to retry."""
        said = own.get(labels.TIMEOUT_REQUEST)
        asked = 3 if said == "3s" else request
        idle = 5 if labels.TIMEOUT_IDLE in own else None
        timeouts = (asked, None, idle)
        if timeouts == (None, None, None):
            says = self.notes.get(labels.TIMEOUT_REQUEST) == "3s"
            timeouts = (3, None, 5) if says else timeouts
        return timeouts, _retries(own, family) or _retries(self.notes, family)

    def backend(self, reference: Any, namespace: str, *, weighs: bool) -> str:
        key = (reference.namespace or namespace, reference.name)
        if reference.kind == "Service":
            if reference.port is None:
                return f"fails: missing port for backend Service {key[1]}"
            if key not in self.model.services:
                return f"fails: Service not found {key[1]}"
            return self.balancer(key, reference.port, weighs=weighs)
        if reference.kind != "EgressNetwork":
            return f"fails: unsupported backend type {reference.group} {reference.kind}"
        if key not in self.model.networks:
            return f"fails: EgressNetwork not found {key[1]}"
        if not self.is_egress:
            return "fails: EgressNetwork backends attach to EgressNetwork parents only"
        if key != self.key:
            return (
                "fails: Route with EgressNetwork backend needs to have the same EgressNetwork as a "
                "parent"
            )
        return f"forward {self.ip}"


def _retries(notes: Any, family: str) -> int:
    """How often, 0 if nothing is said."""
    other = labels.RETRY_GRPC if family == "grpc" else labels.RETRY_HTTP
    if labels.RETRY_LIMIT in notes:
        return 3
    return 1 if other in notes else 0


def _order(known: tuple[Kind, Any]) -> Any:
    kind, route = known
    created = route.metadata.creation_timestamp
    groups = [*ROUTES]
    groups[0], groups[1] = Kind.GATEWAY_HTTP_ROUTE, Kind.HTTP_ROUTE  # gateway... before policy...
    key = (route.metadata.name, route.metadata.namespace)
    return (created == "", created, *key, groups.index(kind))


def _accepted(route: Any) -> list[Any]:
    return [
        entry.parent_ref
        for entry in route.status.parents
        if entry.controller_name == CONTROLLER and entry.conditions[0].status == "True"
    ]


def _named(route: Any) -> list[Any]:
    """The parents of a route, and those that it had, if its status knows one of the former not."""

    def of(reference: Any) -> tuple[Any, ...]:
        namespace = reference.namespace or route.metadata.namespace
        return reference.kind, namespace, reference.name, reference.port

    told = [of(e.parent_ref) for e in route.status.parents if e.controller_name == CONTROLLER]
    called = [r for r in route.spec.parent_refs if r.kind in ("Service", "EgressNetwork")]
    is_behind = any(of(reference) not in told for reference in called)
    return [*route.spec.parent_refs, *(_accepted(route) if is_behind else [])]


def _is_sound(kind: Kind, route: Any) -> bool:
    """Whether proxies of clients can be told the route."""
    spec, rules = route.spec, route.spec.rules
    if "not a host" in getattr(spec, "hostnames", ()):
        return False
    if kind in _STREAMS:
        return len(rules) == 1
    timeouts = [getattr(rule, "timeouts", None) for rule in rules]
    return (
        route.metadata.annotations.get(labels.TIMEOUT_REQUEST) != "3"
        and not any(rule.filters for rule in rules)
        and not any(each is not None and each.request == "soon" for each in timeouts)
    )
