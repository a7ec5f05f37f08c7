"""A policy in short: what the model of `outbound_model` says of it, read from a message."""

from typing import Any

from linkerd.stubs.proxy import meta_pb2
from linkerd.stubs.proxy import outbound_pb2 as pb
from linkerd.wire.net import ip_text


def summary(policy: pb.OutboundPolicy) -> Any:
    """What it says, in short."""
    kind = str(policy.protocol.WhichOneof("kind"))
    protocol = getattr(policy.protocol, kind)
    requests = protocol.http1 if kind == "detect" else protocol
    opaque = protocol.opaque if kind == "detect" else protocol
    has_stream = kind in ("detect", "opaque")
    breaks = kind not in ("opaque", "tls") and requests.HasField("failure_accrual")
    return {
        "name": _name(policy.metadata),
        "protocol": kind,
        "routes": [] if kind == "opaque" else [_route(each) for each in requests.routes],
        "stream": _route(opaque.routes[0]) if has_stream else None,
        "breaks": breaks,
    }


def _name(metadata: meta_pb2.Metadata) -> str:
    if metadata.WhichOneof("kind") == "default":
        return metadata.default
    known = metadata.resource
    return f"{known.kind} {known.namespace}/{known.name}:{known.port}"


def _route(route: Any) -> Any:
    hosts = getattr(route, "hosts", None) or getattr(route, "snis", None) or ()
    return (_name(route.metadata), tuple(map(_host, hosts)), [_rule(each) for each in route.rules])


def _host(host: Any) -> str:
    if host.WhichOneof("match") == "exact":
        return str(host.exact)
    return ".".join(["*", *reversed(host.suffix.reverse_labels)])


def _rule(rule: Any) -> Any:
    refusals = {"failure_injector", "forbidden"}
    refused = any(each.WhichOneof("kind") in refusals for each in rule.filters)
    return (refused, *_distribution(rule.backends), *_limits(rule))


def _distribution(distribution: Any) -> Any:
    match distribution.WhichOneof("kind"):
        case "first_available":
            backends = distribution.first_available.backends
            return "first", [(_backend(each), 1) for each in backends]
        case "random_available":
            backends = distribution.random_available.backends
            return "random", [(_backend(each.backend), each.weight) for each in backends]
    return "empty", []


def _backend(known: Any) -> str:
    for each in known.filters:
        kind = each.WhichOneof("kind")
        return f"fails: {getattr(each, kind).message}"
    backend = known.backend
    if backend.WhichOneof("kind") == "forward":
        return f"forward {ip_text(backend.forward.addr.ip)}"
    mark = "*" if backend.balancer.HasField("penalty_peak_ewma") else ""
    return f"{backend.balancer.discovery.dst.path}{mark}"


def _limits(rule: Any) -> Any:
    """Timeouts in seconds, and how often to retry; bytes know neither."""
    if not hasattr(rule, "timeouts"):
        return None, 0
    timeouts = rule.timeouts
    said = tuple(
        getattr(timeouts, name).seconds if timeouts.HasField(name) else None
        for name in ("request", "response", "idle")
    )
    return said, rule.retry.max_retries if rule.HasField("retry") else 0
