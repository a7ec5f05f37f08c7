"""HTTPRoutes of both groups."""

from collections.abc import Callable
from datetime import timedelta

from linkerd.kube.objects import HTTPRoute
from linkerd.kube.objects import HTTPRouteRule as RuleSpec
from linkerd.policy.backends import judge_filtered_backends
from linkerd.policy.durations import gateway_duration, go_duration
from linkerd.policy.filters import HTTP_FILTERS, check_supported, judge_filters
from linkerd.policy.hosts import judge_hosts
from linkerd.policy.matches import judge_http_match
from linkerd.policy.parents import acceptances, parents
from linkerd.policy.references import LINKERD_HTTP_ROUTE, GroupKind
from linkerd.policy.retries import judge_http_retry
from linkerd.policy.routes import HttpRoute, HttpRule, Route, judge_call_settings

DurationReader = Callable[[str, str], timedelta]


def judge_http_route(route: HTTPRoute, kind: GroupKind) -> HttpRoute:
    """What the route says; `kind` tells of which group it is. Raises PolicyError, and
    UnsupportedError where that is all that is wrong."""
    namespace, spec = route.metadata.namespace, route.spec
    reader = duration_reader(kind)
    rules = tuple(
        _rule(rule, namespace, f"spec.rules[{at}]", reader) for at, rule in enumerate(spec.rules)
    )
    found = Route(
        kind=kind,
        key=route.metadata.key,
        created=route.metadata.creation_timestamp,
        parents=parents(spec.parent_refs, namespace),
        acceptances=acceptances(route.status, namespace),
        hosts=judge_hosts(spec.hostnames, "spec.hostnames"),
        rules=rules,
        calls=judge_call_settings(route.metadata.annotations, judge_http_retry),
    )
    for at, rule in enumerate(spec.rules):
        check_supported(rule.filters, HTTP_FILTERS, f"spec.rules[{at}].filters")
    return found


def duration_reader(kind: GroupKind) -> DurationReader:
    """How the group of a route writes durations."""
    return go_duration if kind == LINKERD_HTTP_ROUTE else gateway_duration


def _rule(rule: RuleSpec, namespace: str, field: str, read_duration: DurationReader) -> HttpRule:
    return HttpRule(
        matches=tuple(
            judge_http_match(match, f"{field}.matches[{at}]")
            for at, match in enumerate(rule.matches)
        ),
        filters=judge_filters(rule.filters, f"{field}.filters"),
        backends=judge_filtered_backends(
            rule.backend_refs, namespace, f"{field}.backendRefs", HTTP_FILTERS
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
