"""Policies of outbound traffic as messages, encoded once for all who are told them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, cast

from linkerd.policy.matches import GrpcMatch, HttpMatch
from linkerd.policy.retries import GrpcRetry, HttpRetry
from linkerd.stubs.proxy import outbound_pb2 as pb
from linkerd.stubs.proxy import tls_route_pb2
from services.policy.model.outbound import Metadata, OutboundPolicy, Protocol, Route, Rule
from services.policy.wire.backends import (
    GRPC,
    HTTP,
    OPAQUE,
    TLS,
    Form,
    distribution_message,
    filter_messages,
    metadata_message,
)
from services.policy.wire.limits import (
    accrual_message,
    grpc_retry_message,
    http_retry_message,
    timeouts_message,
)
from services.policy.wire.routes import (
    duration_message,
    grpc_match_message,
    host_message,
    http_match_message,
)

_DETECTION: Final = duration_message(timedelta(seconds=10))
_MAX_BYTES: Final = (4 << 20) - (64 << 10)  # of routes in a message; proxies take 4 MiB in all


class PolicyDeltas:
    """The `delta` of topics of policies: the whole policy whenever it differs. What is too much for
    a message loses its newest routes; `on_cut` is told whose these are, and how many."""

    def __init__(
        self, on_cut: Callable[[Metadata, int], None], *, max_bytes: int = _MAX_BYTES
    ) -> None:
        self._on_cut = on_cut
        self._max_bytes = max_bytes

    def __call__(self, last: OutboundPolicy | None, current: OutboundPolicy) -> tuple[bytes, ...]:
        """The encoded policy, unless the reader has it."""
        message = self._encoded(current)
        if last is not None and self._encoded(last) == message:
            return ()
        return (message,)

    def _encoded(self, policy: OutboundPolicy) -> bytes:
        if not policy.memo:
            message = self.message(policy)
            policy.memo.append(message.SerializeToString(deterministic=True))
        return policy.memo[0]

    def message(self, policy: OutboundPolicy) -> pb.OutboundPolicy:
        """`policy` as a message."""
        protocol = _PROTOCOLS[policy.protocol](self._fitting(policy), policy)
        return pb.OutboundPolicy(
            metadata=metadata_message(policy.metadata),
            protocol=pb.ProxyProtocol(**{policy.protocol.value: protocol}),
        )

    def _fitting(self, policy: OutboundPolicy) -> list[Any]:
        """The routes, the newest of them left out if they do not fit into a message. Defaults,
        which come last, stay."""
        write = _ROUTES[policy.protocol]
        messages = list(map(write, policy.routes))
        sizes = [each.ByteSize() * _TIMES.get(policy.protocol, 1) for each in messages]
        excess, cut = sum(sizes) - self._max_bytes, 0
        at = len(messages) - 1
        while excess > 0 and at >= 0:
            if not isinstance(policy.routes[at].metadata, str):
                excess -= sizes[at]
                del messages[at]
                cut += 1
            at -= 1
        if cut:
            self._on_cut(policy.metadata, cut)
        return messages


def _route(form: Form, route: Route, rules: list[Any]) -> Any:
    return form.route(
        metadata=metadata_message(route.metadata),
        hosts=map(host_message, route.hosts),
        rules=rules,
    )


def _http_route(route: Route) -> pb.HttpRoute:
    return cast("pb.HttpRoute", _route(HTTP, route, list(map(_http_rule, route.rules))))


def _http_rule(rule: Rule) -> pb.HttpRoute.Rule:
    message = pb.HttpRoute.Rule(
        matches=[http_match_message(cast("HttpMatch", match)) for match in rule.matches],
        **_common(HTTP, rule),
    )
    if isinstance(rule.retry, HttpRetry):
        message.retry.CopyFrom(http_retry_message(rule.retry))
    return message


def _grpc_route(route: Route) -> pb.GrpcRoute:
    return cast("pb.GrpcRoute", _route(GRPC, route, list(map(_grpc_rule, route.rules))))


def _grpc_rule(rule: Rule) -> pb.GrpcRoute.Rule:
    message = pb.GrpcRoute.Rule(
        matches=[grpc_match_message(cast("GrpcMatch", match)) for match in rule.matches],
        **_common(GRPC, rule),
    )
    if isinstance(rule.retry, GrpcRetry):
        message.retry.CopyFrom(grpc_retry_message(rule.retry))
    return message


def _common(form: Form, rule: Rule) -> dict[str, Any]:
    """The fields that rules for requests and for calls have in common."""
    fields: dict[str, Any] = {
        "filters": filter_messages(form, rule),
        "backends": distribution_message(form, rule),
        "timeouts": timeouts_message(rule.timeouts),
        "allow_l5d_request_headers": rule.request_headers,
    }
    if rule.timeouts.request is not None:
        fields["requestTimeout"] = duration_message(rule.timeouts.request)
    return fields


def _stream_rule(form: Form, rule: Rule) -> Any:
    return form.route.Rule(
        filters=filter_messages(form, rule), backends=distribution_message(form, rule)
    )


def _tls_route(route: Route) -> pb.TlsRoute:
    return pb.TlsRoute(
        metadata=metadata_message(route.metadata),
        snis=map(_sni, map(host_message, route.hosts)),
        rules=[_stream_rule(TLS, rule) for rule in route.rules],
    )


def _sni(host: Any) -> tls_route_pb2.SniMatch:
    """Names that clients ask for are written as hosts are."""
    return tls_route_pb2.SniMatch.FromString(host.SerializeToString())


def _opaque(policy: OutboundPolicy) -> pb.ProxyProtocol.Opaque:
    stream = policy.stream
    assert stream is not None  # noqa: S101  # as the model says
    route = pb.OpaqueRoute(
        metadata=metadata_message(stream.metadata),
        rules=[_stream_rule(OPAQUE, rule) for rule in stream.rules],
    )
    return pb.ProxyProtocol.Opaque(routes=[route])


def _requests(kind: Any) -> Callable[[list[Any], OutboundPolicy], Any]:
    def write(routes: list[Any], policy: OutboundPolicy) -> Any:
        message = kind(routes=routes)
        if policy.accrual is not None:
            message.failure_accrual.CopyFrom(accrual_message(policy.accrual))
        return message

    return write


_http1: Final = _requests(pb.ProxyProtocol.Http1)
_http2: Final = _requests(pb.ProxyProtocol.Http2)


def _detect(routes: list[Any], policy: OutboundPolicy) -> pb.ProxyProtocol.Detect:
    return pb.ProxyProtocol.Detect(
        timeout=_DETECTION,
        opaque=_opaque(policy),
        http1=_http1(routes, policy),
        http2=_http2(routes, policy),
    )


_ROUTES: Final[dict[Protocol, Callable[[Route], Any]]] = {
    Protocol.DETECT: _http_route,
    Protocol.HTTP_1: _http_route,
    Protocol.HTTP_2: _http_route,
    Protocol.GRPC: _grpc_route,
    Protocol.TLS: _tls_route,
    Protocol.OPAQUE: _http_route,  # of which there are none
}
_TIMES: Final = {Protocol.DETECT: 2}
"""How often a message has each route; once otherwise."""

_PROTOCOLS: Final[dict[Protocol, Callable[[list[Any], OutboundPolicy], Any]]] = {
    Protocol.DETECT: _detect,
    Protocol.HTTP_1: _http1,
    Protocol.HTTP_2: _http2,
    Protocol.GRPC: _requests(pb.ProxyProtocol.Grpc),
    Protocol.TLS: lambda routes, _policy: pb.ProxyProtocol.Tls(routes=routes),
    Protocol.OPAQUE: lambda _routes, policy: _opaque(policy),
}
