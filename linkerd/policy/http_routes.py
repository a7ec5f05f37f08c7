"""HTTPRoutes of both groups."""

from collections.abc import Callable
from datetime import timedelta

from linkerd.kube.objects import HTTPRoute
from linkerd.kube.objects import HTTPRouteRule as RuleSpec
from linkerd.policy.backends import filtered_backends
from linkerd.policy.durations import gateway_duration, go_duration
from linkerd.policy.filters import http_filters
from linkerd.policy.hosts import host_matches
from linkerd.policy.matches import http_match
from linkerd.policy.parents import acceptances, parents
from linkerd.policy.references import LINKERD_HTTP_ROUTE, GroupKind
from linkerd.policy.retries import http_retry
from linkerd.policy.routes import HttpRoute, HttpRule, Route, call_settings, unusable

DurationReader = Callable[[str, str], timedelta]


def http_route(route: HTTPRoute, kind: GroupKind) -> HttpRoute:
    """What the route says; `kind` tells of which group it is. Raises PolicyError."""
    namespace, spec = route.metadata.namespace, route.spec
    reader = duration_reader(kind)
    rules = tuple(
        _rule(rule, namespace, f"spec.rules[{at}]", reader) for at, rule in enumerate(spec.rules)
    )
    return Route(
        kind=kind,
        key=route.metadata.key,
        created=route.metadata.creation_timestamp,
        parents=parents(spec.parent_refs, namespace),
        acceptances=acceptances(route.status, namespace),
        hosts=host_matches(spec.hostnames, "spec.hostnames"),
        rules=rules,
        calls=call_settings(route.metadata.annotations, http_retry),
        unusable=unusable(rule.filters for rule in rules),
    )


def duration_reader(kind: GroupKind) -> DurationReader:
    """How the group of a route writes durations."""
    return go_duration if kind == LINKERD_HTTP_ROUTE else gateway_duration


def _rule(rule: RuleSpec, namespace: str, field: str, read_duration: DurationReader) -> HttpRule:
    return HttpRule(
        matches=tuple(
            http_match(match, f"{field}.matches[{at}]") for at, match in enumerate(rule.matches)
        ),
        filters=http_filters(rule.filters, f"{field}.filters"),
        backends=filtered_backends(
            rule.backend_refs, namespace, f"{field}.backendRefs", http_filters
        ),
        request_timeout=_request_timeout(rule, f"{field}.timeouts", read_duration),
    )


def _request_timeout(rule: RuleSpec, field: str, read_duration: DurationReader) -> timedelta | None:
    """0 means that there is none."""
    if rule.timeouts is None:
        return None
    if rule.timeouts.backend_request is not None:  # which proxies know nothing of
        read_duration(rule.timeouts.backend_request, f"{field}.backendRequest")
    if rule.timeouts.request is None:
        return None
    return read_duration(rule.timeouts.request, f"{field}.request") or None
