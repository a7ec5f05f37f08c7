"""HTTPRoutes of both groups."""

from datetime import timedelta

from linkerd.kube.objects import HTTPRoute, HTTPRouteTimeouts
from linkerd.kube.objects import HTTPRouteRule as RuleSpec
from linkerd.policy.backends import judge_filtered_backends
from linkerd.policy.durations import gateway_duration, go_duration
from linkerd.policy.filters import HTTP_FILTERS, check_supported, judge_filters
from linkerd.policy.hosts import judge_hosts
from linkerd.policy.matches import MatchJudge
from linkerd.policy.references import LINKERD_HTTP_ROUTE, GroupKind
from linkerd.policy.retries import judge_http_retry
from linkerd.policy.routes import HttpRoute, HttpRule, judge_call_settings, judged_route


def judge_http_route(route: HTTPRoute, kind: GroupKind) -> HttpRoute:
    """What the route says; `kind` tells of which group it is. Raises PolicyError, and
    UnsupportedError where that is all that is wrong."""
    namespace, spec = route.metadata.namespace, route.spec
    matches = MatchJudge()
    found = judged_route(
        route,
        kind,
        hosts=judge_hosts(spec.hostnames, "spec.hostnames"),
        rules=tuple(
            _rule(rule, f"spec.rules[{at}]", namespace, kind, matches)
            for at, rule in enumerate(spec.rules)
        ),
        calls=judge_call_settings(route.metadata.annotations, judge_http_retry),
    )
    for at, rule in enumerate(spec.rules):
        check_supported(rule.filters, HTTP_FILTERS, f"spec.rules[{at}].filters")
    return found


def _rule(
    rule: RuleSpec, field: str, namespace: str, kind: GroupKind, matches: MatchJudge
) -> HttpRule:
    request, _ = judge_rule_timeouts(rule.timeouts, f"{field}.timeouts", kind)
    return HttpRule(
        matches=tuple(
            matches.http(match, f"{field}.matches[{at}]") for at, match in enumerate(rule.matches)
        ),
        filters=judge_filters(rule.filters, f"{field}.filters"),
        backends=judge_filtered_backends(
            rule.backend_refs, namespace, f"{field}.backendRefs", HTTP_FILTERS
        ),
        request_timeout=request or None,  # 0 means that there is none
    )


def judge_rule_timeouts(
    timeouts: HTTPRouteTimeouts | None, field: str, kind: GroupKind
) -> tuple[timedelta | None, timedelta | None]:
    """How long a request, and one try of it, may take; each None where nothing is said. The group
    of the route decides how durations are written. Raises PolicyError."""
    if timeouts is None:
        return None, None
    read = go_duration if kind == LINKERD_HTTP_ROUTE else gateway_duration
    request, one_try = timeouts.request, timeouts.backend_request
    return (
        None if request is None else read(request, f"{field}.request"),
        None if one_try is None else read(one_try, f"{field}.backendRequest"),
    )
