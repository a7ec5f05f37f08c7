"""GRPCRoutes."""

from linkerd.kube.objects import GRPCRoute
from linkerd.kube.objects import GRPCRouteRule as RuleSpec
from linkerd.policy.backends import judge_filtered_backends
from linkerd.policy.filters import GRPC_FILTERS, check_supported, judge_filters
from linkerd.policy.hosts import judge_hosts
from linkerd.policy.matches import MatchJudge
from linkerd.policy.references import GRPC_ROUTE
from linkerd.policy.retries import judge_grpc_retry
from linkerd.policy.routes import GrpcRoute, GrpcRule, judge_call_settings, judged_route


def judge_grpc_route(route: GRPCRoute) -> GrpcRoute:
    """What the route says. Raises PolicyError, and UnsupportedError where that is all that is
    wrong."""
    namespace, spec = route.metadata.namespace, route.spec
    matches = MatchJudge()
    found = judged_route(
        route,
        GRPC_ROUTE,
        hosts=judge_hosts(spec.hostnames, "spec.hostnames"),
        rules=tuple(
            _rule(rule, f"spec.rules[{at}]", namespace, matches)
            for at, rule in enumerate(spec.rules)
        ),
        calls=judge_call_settings(route.metadata.annotations, judge_grpc_retry),
    )
    for at, rule in enumerate(spec.rules):
        check_supported(rule.filters, GRPC_FILTERS, f"spec.rules[{at}].filters")
    return found


def _rule(rule: RuleSpec, field: str, namespace: str, matches: MatchJudge) -> GrpcRule:
    return GrpcRule(
        matches=tuple(
            matches.grpc(match, f"{field}.matches[{at}]") for at, match in enumerate(rule.matches)
        ),
        filters=judge_filters(rule.filters, f"{field}.filters"),
        backends=judge_filtered_backends(
            rule.backend_refs, namespace, f"{field}.backendRefs", GRPC_FILTERS
        ),
    )
