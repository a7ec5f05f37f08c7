"""Policies of outbound traffic as messages, encoded once for all who are told them.

A message is put together from its routes, each of which is encoded once, however often it comes.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final, cast

from google.protobuf.message import Message

from linkerd.policy.matches import GrpcMatch, HttpMatch
from linkerd.policy.retries import GrpcRetry, HttpRetry
from linkerd.stubs.proxy import outbound_pb2 as pb
from linkerd.stubs.proxy import tls_route_pb2
from linkerd.wire.splice import submessage
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

_DETECTION: Final = duration_message(timedelta(seconds=10)).SerializeToString()
_MAX_BYTES: Final = (4 << 20) - (64 << 10)  # of routes in a message; proxies take 4 MiB in all
_REMEMBERED: Final = 2_048  # encoded routes of a kind

# Numbers of fields: of OutboundPolicy, of a protocol with its routes, of Detect, and of
# ProxyProtocol, which Detect has the same of.
_PROTOCOL: Final = 1
_METADATA: Final = 2
_ROUTE: Final = 1
_ACCRUAL: Final = 2
_TIMEOUT: Final = 1
_FIELDS: Final = {
    Protocol.DETECT: 1,
    Protocol.OPAQUE: 2,
    Protocol.HTTP_1: 3,
    Protocol.HTTP_2: 4,
    Protocol.GRPC: 5,
    Protocol.TLS: 6,
}


class PolicyDeltas:
    """The `delta` of topics of policies: the whole policy whenever it differs. What is too much for
    a message loses its newest routes; `on_cut` is told whose these are."""

    def __init__(self, on_cut: Callable[[Metadata], None], *, max_bytes: int = _MAX_BYTES) -> None:
        self._on_cut = on_cut
        self._max_bytes = max_bytes

    def __call__(self, last: OutboundPolicy | None, current: OutboundPolicy) -> tuple[bytes, ...]:
        """The encoded policy, unless the reader has it, with the same spare routes."""
        message = self._remembered(current)
        if last is None or last.spares != current.spares or self._remembered(last) != message:
            return (message,)
        return ()

    def _remembered(self, policy: OutboundPolicy) -> bytes:
        if not policy.memo:
            policy.memo.append(self._encoded(policy))
        return policy.memo[0]

    def _encoded(self, policy: OutboundPolicy) -> bytes:
        field = _FIELDS[policy.protocol]
        return submessage(_PROTOCOL, submessage(field, *self._parts(policy))) + submessage(
            _METADATA, _plain(metadata_message(policy.metadata))
        )

    def _parts(self, policy: OutboundPolicy) -> Iterable[bytes]:
        """The fields of the protocol."""
        if policy.protocol is Protocol.OPAQUE:
            return (_stream(policy),)
        routes = self._routes(policy)
        if policy.protocol is Protocol.TLS:
            return routes
        if policy.accrual is not None:
            routes.append(submessage(_ACCRUAL, _plain(accrual_message(policy.accrual))))
        if policy.protocol is not Protocol.DETECT:
            return routes
        return (
            submessage(_TIMEOUT, _DETECTION),
            submessage(_FIELDS[Protocol.OPAQUE], _stream(policy)),
            submessage(_FIELDS[Protocol.HTTP_1], *routes),
            submessage(_FIELDS[Protocol.HTTP_2], *routes),
        )

    def _routes(self, policy: OutboundPolicy) -> list[bytes]:
        """The routes, the newest of them left out if they do not fit into a message. Defaults,
        which come last, stay."""
        write = _WRITERS[policy.protocol]
        routes = [submessage(_ROUTE, write(route)) for route in policy.routes]
        times = 2 if policy.protocol is Protocol.DETECT else 1
        excess = sum(map(len, routes)) * times - self._max_bytes
        count, at = len(routes), len(routes)
        while excess > 0 and at:
            at -= 1
            if not isinstance(policy.routes[at].metadata, str):
                excess -= len(routes.pop(at)) * times
        if len(routes) < count:
            self._on_cut(policy.metadata)
        return routes


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


def _stream(policy: OutboundPolicy) -> bytes:
    """The one route of bytes that are not looked at."""
    stream = policy.stream
    assert stream is not None  # noqa: S101  # as the model says
    route = pb.OpaqueRoute(
        metadata=metadata_message(stream.metadata),
        rules=[_stream_rule(OPAQUE, rule) for rule in stream.rules],
    )
    return submessage(_ROUTE, _plain(route))


def _plain(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


def _remembering(write: Callable[[Route], Message]) -> Callable[[Route], bytes]:
    """Of the many routes that a port may have few change at a time: the others are not encoded
    again. Defaults are few."""
    remembered = lru_cache(_REMEMBERED)(lambda route: _plain(write(route)))

    def encoded(route: Route) -> bytes:
        if isinstance(route.metadata, str):
            return _plain(write(route))
        return remembered(route)

    return encoded


_http: Final = _remembering(_http_route)
_WRITERS: Final[dict[Protocol, Callable[[Route], bytes]]] = {
    Protocol.DETECT: _http,
    Protocol.HTTP_1: _http,
    Protocol.HTTP_2: _http,
    Protocol.GRPC: _remembering(_grpc_route),
    Protocol.TLS: _remembering(_tls_route),
}
