"""GRPCRoutes."""

from linkerd.kube.objects import GRPCRoute
from linkerd.kube.objects import GRPCRouteRule as RuleSpec
from linkerd.policy.backends import filtered_backends
from linkerd.policy.filters import grpc_filters
from linkerd.policy.hosts import host_matches
from linkerd.policy.matches import grpc_match
from linkerd.policy.parents import acceptances, parents
from linkerd.policy.references import GRPC_ROUTE
from linkerd.policy.retries import grpc_retry
from linkerd.policy.routes import GrpcRoute, GrpcRule, Route, call_settings, unusable


def grpc_route(route: GRPCRoute) -> GrpcRoute:
    """What the route says. Raises PolicyError."""
    namespace, spec = route.metadata.namespace, route.spec
    rules = tuple(_rule(rule, namespace, f"spec.rules[{at}]") for at, rule in enumerate(spec.rules))
    return Route(
        kind=GRPC_ROUTE,
        key=route.metadata.key,
        created=route.metadata.creation_timestamp,
        parents=parents(spec.parent_refs, namespace),
        acceptances=acceptances(route.status, namespace),
        hosts=host_matches(spec.hostnames, "spec.hostnames"),
        rules=rules,
        calls=call_settings(route.metadata.annotations, grpc_retry),
        unusable=unusable(rule.filters for rule in rules),
    )


def _rule(rule: RuleSpec, namespace: str, field: str) -> GrpcRule:
    return GrpcRule(
        matches=tuple(
            grpc_match(match, f"{field}.matches[{at}]") for at, match in enumerate(rule.matches)
        ),
        filters=grpc_filters(rule.filters, f"{field}.filters"),
        backends=filtered_backends(
            rule.backend_refs, namespace, f"{field}.backendRefs", grpc_filters
        ),
    )
