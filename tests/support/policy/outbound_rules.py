"""Whether a proxy takes an OutboundPolicy. One that breaks a rule is replaced as a whole by one
that fails all traffic."""

from typing import Any

from linkerd.stubs.proxy import outbound_pb2 as pb
from linkerd.stubs.proxy import tls_route_pb2
from tests.support.policy.backend_rules import (
    check_accrual,
    check_distribution,
    check_grpc_filter,
    check_http_filter,
    check_retry,
    check_stream_filter,
)
from tests.support.policy.part_rules import (
    check_grpc_match,
    check_host,
    check_http_match,
    check_metadata,
    check_timeouts,
    nanoseconds,
)
from tests.support.rules import is_proxy_name, require


def check_policy(policy: pb.OutboundPolicy) -> None:
    """Raises RuleError, which says the rule that is broken."""
    require(policy.HasField("metadata"), "a policy has metadata")
    check_metadata(policy.metadata, namespaced=True)
    require(policy.HasField("protocol"), "a policy has a protocol")
    protocol = policy.protocol
    match protocol.WhichOneof("kind"):
        case "detect":
            _check_detect(protocol.detect)
        case "opaque":
            check_opaque(protocol.opaque)
        case "http1":
            check_http(protocol.http1)
        case "http2":
            check_http(protocol.http2)
        case "grpc":
            _check_grpc(protocol.grpc)
        case "tls":
            for route in protocol.tls.routes:
                _check_tls_route(route)
        case _:
            require(False, "a protocol has a kind")


def _check_detect(detect: pb.ProxyProtocol.Detect) -> None:
    for name in ("timeout", "opaque", "http1", "http2"):
        require(detect.HasField(name), f"detect has {name}")
    require(nanoseconds(detect.timeout, "detection"), "detection takes a while")
    check_opaque(detect.opaque)
    check_http(detect.http1)
    check_http(detect.http2)


def check_opaque(opaque: pb.ProxyProtocol.Opaque) -> None:
    """One route of one rule; none would close all connections, which a filter says better."""
    require(len(opaque.routes) == 1, "opaque has one route")
    (route,) = opaque.routes
    check_metadata(route.metadata, namespaced=True)
    require(len(route.rules) == 1, "an opaque route has one rule")
    _check_stream_rule(route.rules[0])


def _check_tls_route(route: pb.TlsRoute) -> None:
    check_metadata(route.metadata, namespaced=True)
    for name in route.snis:
        _check_sni(name)
    require(len(route.rules) == 1, "a TLS route has one rule")
    _check_stream_rule(route.rules[0])


def _check_sni(name: tls_route_pb2.SniMatch) -> None:
    kind = name.WhichOneof("match")
    require(kind, "an SNI match says something")
    text = name.exact if kind == "exact" else ".".join(reversed(name.suffix.reverse_labels))
    require(is_proxy_name(text), "an SNI is a DNS name")


def _check_stream_rule(rule: pb.OpaqueRoute.Rule | pb.TlsRoute.Rule) -> None:
    for item in rule.filters:
        check_stream_filter(item)
    check_distribution(rule.backends, rule.filters, check_stream_filter)


def check_http(protocol: pb.ProxyProtocol.Http1 | pb.ProxyProtocol.Http2) -> None:
    """HTTP routes with what breaks circuits."""
    if protocol.HasField("failure_accrual"):
        check_accrual(protocol.failure_accrual)
    for route in protocol.routes:
        check_metadata(route.metadata, namespaced=True)
        for host in route.hosts:
            check_host(host)
        for rule in route.rules:
            for match in rule.matches:
                check_http_match(match)
            for item in rule.filters:
                check_http_filter(item)
            check_distribution(rule.backends, rule.filters, check_http_filter)
            _check_limits(rule)


def _check_grpc(protocol: pb.ProxyProtocol.Grpc) -> None:
    if protocol.HasField("failure_accrual"):
        check_accrual(protocol.failure_accrual)
    for route in protocol.routes:
        check_metadata(route.metadata, namespaced=True)
        for host in route.hosts:
            check_host(host)
        for rule in route.rules:
            for match in rule.matches:
                check_grpc_match(match)
            for item in rule.filters:
                check_grpc_filter(item)
            check_distribution(rule.backends, rule.filters, check_grpc_filter)
            _check_limits(rule)


def _check_limits(rule: Any) -> None:
    """Timeouts and retries of a rule of either kind."""
    if rule.HasField("requestTimeout"):
        nanoseconds(rule.requestTimeout, "a request's timeout")
    check_timeouts(rule.timeouts)
    if rule.HasField("retry"):
        check_retry(rule.retry)
