"""Which routes may be stored: what the index would not take, and more that is surely a mistake.

Routes of the Gateway API without a parent in the mesh are somebody else's, and not looked at. An
UnsupportedError is raised where nothing else is wrong: such a route may mean another controller.
"""

from collections.abc import Callable, Mapping

from linkerd.kube.objects import (
    FilteredBackendReference,
    GRPCRoute,
    HTTPRoute,
    HTTPRouteTimeouts,
    ParentReference,
    TCPRoute,
    TLSRoute,
)
from linkerd.policy.connection_routes import judge_tcp_route, judge_tls_route
from linkerd.policy.errors import PolicyError
from linkerd.policy.grpc_routes import judge_grpc_route
from linkerd.policy.http_routes import judge_http_route, judge_rule_timeouts
from linkerd.policy.parents import is_called, is_meshed, parents
from linkerd.policy.references import (
    EGRESS_NETWORK,
    LINKERD_HTTP_ROUTE,
    SERVICE,
    GroupKind,
)
from linkerd.policy.retries import GrpcRetry, HttpRetry, judge_grpc_retry, judge_http_retry
from linkerd.policy.routes import judge_call_settings

Retries = Callable[[Mapping[str, str]], HttpRetry | GrpcRetry | None]


def check_http_route(route: HTTPRoute, kind: GroupKind) -> None:
    """Raises PolicyError unless an HTTPRoute of this group may be stored."""
    spec = route.spec
    if kind != LINKERD_HTTP_ROUTE and not is_meshed(spec.parent_refs):
        return
    _check_parents(spec.parent_refs)
    _check_annotations(route.metadata.annotations, spec.parent_refs, judge_http_retry)
    for at, rule in enumerate(spec.rules):
        if kind == LINKERD_HTTP_ROUTE:
            _check_timeouts(rule.timeouts, f"spec.rules[{at}].timeouts")
        else:
            _check_backends(rule.backend_refs, f"spec.rules[{at}].backendRefs")
    judge_http_route(route, kind)


def check_grpc_route(route: GRPCRoute) -> None:
    """Raises PolicyError unless a GRPCRoute may be stored."""
    spec = route.spec
    if not is_meshed(spec.parent_refs):
        return
    _check_parents(spec.parent_refs)
    _check_annotations(route.metadata.annotations, spec.parent_refs, judge_grpc_retry)
    for at, rule in enumerate(spec.rules):
        _check_backends(rule.backend_refs, f"spec.rules[{at}].backendRefs")
    judge_grpc_route(route)


def check_tls_route(route: TLSRoute) -> None:
    """Raises PolicyError unless a TLSRoute may be stored."""
    if is_meshed(route.spec.parent_refs):
        _check_parents(route.spec.parent_refs)
        judge_tls_route(route)


def check_tcp_route(route: TCPRoute) -> None:
    """Raises PolicyError unless a TCPRoute may be stored."""
    if is_meshed(route.spec.parent_refs):
        _check_parents(route.spec.parent_refs)
        judge_tcp_route(route)


def _check_parents(references: tuple[ParentReference, ...]) -> None:
    for at, parent in enumerate(parents(references, "")):
        if parent.kind == EGRESS_NETWORK and not parent.port:
            problem = "must be given where the parent is an EgressNetwork"
            raise PolicyError(f"spec.parentRefs[{at}].port", problem)


def _check_annotations(
    annotations: Mapping[str, str], references: tuple[ParentReference, ...], read_retry: Retries
) -> None:
    """Only proxies of clients read them, so they are nothing to parents that are Servers."""
    settings = judge_call_settings(annotations, read_retry)
    if isinstance(settings, PolicyError) and is_called(references):
        raise settings


def _check_timeouts(timeouts: HTTPRouteTimeouts | None, field: str) -> None:
    request, one_try = judge_rule_timeouts(timeouts, field, LINKERD_HTTP_ROUTE)
    if request is not None and one_try is not None and one_try > request:
        raise PolicyError(f"{field}.backendRequest", f"must not be longer than {field}.request")


def _check_backends(references: tuple[FilteredBackendReference, ...], field: str) -> None:
    for at, backend in enumerate(references):
        if SERVICE.is_named(backend.group, backend.kind) and not backend.port:
            raise PolicyError(f"{field}[{at}].port", "must be given where the backend is a Service")
