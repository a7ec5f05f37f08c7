"""Where outbound rules send traffic, and what their filters do, as messages.

Each kind of route has messages of its own for that, alike but for the filters: a `Form` says which.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from linkerd.policy.filters import Filter, Redirect, RequestHeaders, ResponseHeaders
from linkerd.policy.load_bias import LoadBias
from linkerd.stubs.proxy import (
    destination_pb2,
    grpc_route_pb2,
    http_route_pb2,
    meta_pb2,
    opaque_route_pb2,
)
from linkerd.stubs.proxy import outbound_pb2 as pb
from linkerd.wire.net import tcp_address
from services.policy.model.outbound import (
    Backend,
    Balancer,
    Forward,
    Metadata,
    RouteBackend,
    Rule,
)
from services.policy.wire.routes import (
    duration_message,
    redirect_message,
    request_headers_message,
    response_headers_message,
)

_FORBIDDEN: Final = 403
_INTERNAL_SERVER_ERROR: Final = 500
_PERMISSION_DENIED: Final = 7
_UNAVAILABLE: Final = 14
_QUEUE: Final = pb.Queue(capacity=100, failfast_timeout=duration_message(timedelta(seconds=3)))
_DEFAULT_RTT: Final = duration_message(timedelta(milliseconds=30))
_DECAY: Final = duration_message(timedelta(seconds=10))
_BY_LATENCY: Final = pb.Backend.BalanceP2c.PeakEwma(default_rtt=_DEFAULT_RTT, decay=_DECAY)


@dataclass(frozen=True, slots=True)
class Form:
    """Routes of one kind. `filters` are what of a rule's or backend's can be told; `refuse` and
    `fail` are filters that let nothing through: by policy, and because a backend leads nowhere."""

    route: Any  # a generated class, with those for its parts inside
    filters: Callable[[Iterable[Filter]], list[Any]]
    refuse: Callable[[str], Any]
    fail: Callable[[str], Any]


def metadata_message(metadata: Metadata) -> meta_pb2.Metadata:
    """Where something comes from."""
    if isinstance(metadata, str):
        return meta_pb2.Metadata(default=metadata)
    return meta_pb2.Metadata(
        resource=meta_pb2.Resource(
            group=metadata.group,
            kind=metadata.kind,
            name=metadata.name,
            namespace=metadata.namespace,
            port=metadata.port,
        )
    )


def filter_messages(form: Form, rule: Rule) -> list[Any]:
    """The filters of a rule."""
    filters = form.filters(rule.filters)
    return [*filters, form.refuse(rule.refusal)] if rule.refusal else filters


def distribution_message(form: Form, rule: Rule) -> Any:
    """The backends of a rule."""
    distribution = form.route.Distribution
    if not rule.backends:
        return distribution(empty=distribution.Empty())
    backends = [_route_backend(form, each) for each in rule.backends]
    if not rule.weighted:
        return distribution(first_available=distribution.FirstAvailable(backends=backends))
    weighted = [
        form.route.WeightedRouteBackend(backend=message, weight=each.weight)
        for message, each in zip(backends, rule.backends, strict=True)
    ]
    return distribution(random_available=distribution.RandomAvailable(backends=weighted))


def _route_backend(form: Form, known: RouteBackend) -> Any:
    filters = form.filters(known.filters)
    if known.failure:
        filters.append(form.fail(known.failure))
    return form.route.RouteBackend(backend=backend_message(known.backend), filters=filters)


def backend_message(backend: Backend) -> pb.Backend:
    """A backend."""
    message = pb.Backend(metadata=metadata_message(backend.metadata), queue=_QUEUE)
    match backend.target:
        case Forward(ip, port):
            message.forward.CopyFrom(
                destination_pb2.WeightedAddr(addr=tcp_address(ip, port), weight=1)
            )
        case Balancer(authority, bias):
            message.balancer.discovery.dst.path = authority
            if bias is None:
                message.balancer.peak_ewma.CopyFrom(_BY_LATENCY)
            else:
                message.balancer.penalty_peak_ewma.CopyFrom(_weighing_failures(bias))
    return message


def _weighing_failures(bias: LoadBias) -> pb.Backend.BalanceP2c.PenaltyPeakEwma:
    return pb.Backend.BalanceP2c.PenaltyPeakEwma(
        default_rtt=_DEFAULT_RTT,
        decay=_DECAY,
        penalty=duration_message(bias.penalty),
        max_retry_after=duration_message(bias.max_retry_after),
        penalty_decay=_DECAY,
    )


def _http_filters(filters: Iterable[Filter]) -> list[Any]:
    return list(map(_http_filter, filters))


def _http_filter(known: Filter) -> pb.HttpRoute.Filter:
    match known:
        case RequestHeaders(changes):
            return pb.HttpRoute.Filter(request_header_modifier=request_headers_message(changes))
        case ResponseHeaders(changes):
            return pb.HttpRoute.Filter(response_header_modifier=response_headers_message(changes))
        case Redirect():
            return pb.HttpRoute.Filter(redirect=redirect_message(known))


def _grpc_filters(filters: Iterable[Filter]) -> list[Any]:
    """Changes to requests; the protocol has no others for gRPC."""
    return [
        pb.GrpcRoute.Filter(request_header_modifier=request_headers_message(known.changes))
        for known in filters
        if isinstance(known, RequestHeaders)
    ]


def _http_failure(status: int, message: str) -> pb.HttpRoute.Filter:
    failure = http_route_pb2.HttpFailureInjector(status=status, message=message)
    return pb.HttpRoute.Filter(failure_injector=failure)


def _grpc_failure(code: int, message: str) -> pb.GrpcRoute.Filter:
    failure = grpc_route_pb2.GrpcFailureInjector(code=code, message=message)
    return pb.GrpcRoute.Filter(failure_injector=failure)


def _stream_form(route: Any) -> Form:
    return Form(
        route,
        filters=lambda _filters: [],
        refuse=lambda _message: route.Filter(forbidden=opaque_route_pb2.Forbidden()),
        fail=lambda message: route.Filter(invalid=opaque_route_pb2.Invalid(message=message)),
    )


HTTP: Final = Form(
    pb.HttpRoute,
    _http_filters,
    refuse=lambda message: _http_failure(_FORBIDDEN, message),
    fail=lambda message: _http_failure(_INTERNAL_SERVER_ERROR, message),
)
GRPC: Final = Form(
    pb.GrpcRoute,
    _grpc_filters,
    refuse=lambda message: _grpc_failure(_PERMISSION_DENIED, message),
    fail=lambda message: _grpc_failure(_UNAVAILABLE, message),
)
TLS: Final = _stream_form(pb.TlsRoute)
OPAQUE: Final = _stream_form(pb.OpaqueRoute)
