"""TLSRoutes and TCPRoutes, which know nothing of requests."""

from linkerd.kube.objects import ConnectionRule as RuleSpec
from linkerd.kube.objects import TCPRoute, TLSRoute
from linkerd.policy.backends import judge_backends
from linkerd.policy.errors import PolicyError
from linkerd.policy.hosts import HostMatch, judge_hosts
from linkerd.policy.references import TCP_ROUTE, TLS_ROUTE, GroupKind
from linkerd.policy.routes import (
    NO_SETTINGS,
    ConnectionRule,
    Route,
    TcpRoute,
    TlsRoute,
    judged_route,
)


def judge_tls_route(route: TLSRoute) -> TlsRoute:
    """What the route says. Raises PolicyError."""
    return _route(route, TLS_ROUTE, judge_hosts(route.spec.hostnames, "spec.hostnames"))


def judge_tcp_route(route: TCPRoute) -> TcpRoute:
    """What the route says. Raises PolicyError."""
    return _route(route, TCP_ROUTE, ())


def _route(
    route: TLSRoute | TCPRoute, kind: GroupKind, hosts: tuple[HostMatch, ...]
) -> Route[ConnectionRule]:
    namespace, spec = route.metadata.namespace, route.spec
    check_one_rule(spec.rules)
    (rule,) = spec.rules
    found = judge_backends(rule.backend_refs, namespace, "spec.rules[0].backendRefs")
    rules = (ConnectionRule(found),)
    return judged_route(route, kind, hosts=hosts, rules=rules, calls=NO_SETTINGS)


def check_one_rule(rules: tuple[RuleSpec, ...]) -> None:
    """Raises PolicyError: two would be for the same connections."""
    if len(rules) != 1:
        raise PolicyError("spec.rules", f"must have one rule, not {len(rules)}")
