"""Rules of the parts that both directions share: metadata, durations, matches, filters. What breaks
one is a RuleError, for a proxy would refuse the whole policy and fail the traffic."""

import re
from typing import Final

import re2
from google.protobuf.duration_pb2 import Duration

from linkerd.stubs.proxy import grpc_route_pb2, http_route_pb2, http_types_pb2, meta_pb2, net_pb2
from tests.support.rules import check_labels, require

MAX_PORT: Final = 65535
NANOSECONDS: Final = 10**9

_MAX_SECONDS: Final = 315_576_000_000  # of a protobuf Duration
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+", re.ASCII)  # as HTTP/2 has them
_METHOD: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*", re.ASCII)
_BRACE: Final = re.compile(r"(?<!\\)\{(?![0-9])")  # RE2 takes it for text, proxies for an error
_GRPC_CODES: Final = range(1, 17)  # that mean a failure
_QUIET: Final = re2.Options()
_QUIET.log_errors = False
_HOST: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")  # an IP, too: proxies take it as it is


def check_metadata(metadata: meta_pb2.Metadata, *, namespaced: bool) -> None:
    """`namespaced` means that resources say their namespace, as outbound ones must. Proxies write
    what is here into their metrics, without escapes."""
    kind = metadata.WhichOneof("kind")
    require(kind, "metadata has a kind")
    if kind == "default":
        require(metadata.default, "a default has a name")
        check_labels({"name": metadata.default}, "default")
        return
    resource = metadata.resource
    require(resource.group, "a resource has a group")
    require(resource.kind, "a resource has a kind")
    require(resource.name, "a resource has a name")
    require(bool(resource.namespace) or not namespaced, "a resource has a namespace")
    require(resource.port <= MAX_PORT, "a resource's port is 65535 at most")
    labels = {field.name: value for field, value in resource.ListFields() if field.name != "port"}
    check_labels(labels, "resource")


def nanoseconds(duration: Duration, what: str) -> int:
    """How long a duration is, which is not negative."""
    require(0 <= duration.seconds <= _MAX_SECONDS, f"{what} is not negative")
    require(0 <= duration.nanos < NANOSECONDS, f"{what} is not negative")
    return duration.seconds * NANOSECONDS + duration.nanos


def check_timeouts(timeouts: http_route_pb2.Timeouts) -> None:
    """Those that are set."""
    for field, duration in timeouts.ListFields():
        nanoseconds(duration, f"timeout {field.name}")


def check_host(host: http_route_pb2.HostMatch) -> None:
    """A match of hosts."""
    kind = host.WhichOneof("match")
    require(kind, "a host match says something")
    if kind == "exact":
        require(_HOST.fullmatch(host.exact), "a host is a DNS name, or an IP")
    else:
        labels = host.suffix.reverse_labels
        require(_HOST.fullmatch(".".join(reversed(labels))), "a host suffix is a DNS name")


def check_http_match(match: http_route_pb2.HttpRouteMatch) -> None:
    """A match of requests; nothing in it matches all."""
    if match.HasField("path"):
        _check_path(match.path)
    for header in match.headers:
        check_header_match(header)
    for param in match.query_params:
        kind = param.WhichOneof("value")
        require(param.name, "a query match has a name")
        require(kind, "a query match has a value")
        require(kind == "exact" or compiles(param.regex), "a query's expression compiles")
    if match.HasField("method"):
        _check_method(match.method)


def check_grpc_match(match: grpc_route_pb2.GrpcRouteMatch) -> None:
    """A match of calls."""
    require(match.HasField("rpc"), "a gRPC match has rpc, if only an empty one")
    for header in match.headers:
        check_header_match(header)


def _check_path(path: http_route_pb2.PathMatch) -> None:
    kind = path.WhichOneof("kind") or ""
    require(kind, "a path match has a kind")
    if kind == "regex":
        require(compiles(path.regex), "a path's expression compiles")
    else:
        require(getattr(path, kind).startswith("/"), "a path begins with a slash")


def check_header_match(header: http_route_pb2.HeaderMatch) -> None:
    """A match of a header."""
    kind = header.WhichOneof("value")
    require(_HEADER_NAME.fullmatch(header.name), "a header match has a header's name")
    require(kind, "a header match has a value")
    if kind == "exact":
        require(not _CONTROL.search(header.exact), "a header has no control characters")
    else:
        require(compiles(header.regex), "a header's expression compiles")


def _check_method(method: http_types_pb2.HttpMethod) -> None:
    kind = method.WhichOneof("type")
    require(kind, "a method has a type")
    if kind == "unregistered":
        require(_METHOD.fullmatch(method.unregistered), "a method is a token")
    else:
        known = http_types_pb2.HttpMethod.Registered.values()
        require(method.registered in known, "a registered method is known")


def compiles(regex: str) -> bool:
    """Whether a proxy compiles the expression, as far as RE2 is like what proxies use."""
    try:
        re2.compile(f"^(?:{regex})$", _QUIET)
    except re2.error:
        return False
    return not _BRACE.search(regex)


def check_modifier(
    modifier: http_route_pb2.RequestHeaderModifier | http_route_pb2.ResponseHeaderModifier,
) -> None:
    """Headers that are added, set and removed."""
    for header in (*modifier.add.headers, *modifier.set.headers):
        require(_HEADER_NAME.fullmatch(header.name), "a modified header has a header's name")
        require(not _CONTROL.search(header.value), "a header has no control characters")
    for name in modifier.remove:
        require(_HEADER_NAME.fullmatch(name), "a removed header has a header's name")


def check_redirect(redirect: http_route_pb2.RequestRedirect) -> None:
    """A redirect, which says its status."""
    if redirect.HasField("scheme"):
        kind = redirect.scheme.WhichOneof("type")
        require(kind, "a scheme has a type")
        if kind == "unregistered":
            require(_SCHEME.fullmatch(redirect.scheme.unregistered), "a scheme is a token")
    require(not redirect.host or _HOST.fullmatch(redirect.host), "a redirect's host is a DNS name")
    if redirect.HasField("path"):
        replace = redirect.path.WhichOneof("replace") or ""
        require(replace, "a path modifier replaces something")
        require(getattr(redirect.path, replace).startswith("/"), "a redirect's path is absolute")
    require(redirect.port <= MAX_PORT, "a redirect's port is 65535 at most")
    require(redirect.status in range(300, 400), "a redirect's status is one of redirects")


def check_http_failure(failure: http_route_pb2.HttpFailureInjector) -> None:
    """An injected response."""
    require(failure.status in range(100, 1000), "an injected status has three digits")
    require(failure.message, "an injected failure says why")
    _check_ratio(failure)


def check_grpc_failure(failure: grpc_route_pb2.GrpcFailureInjector) -> None:
    """An injected status. One that gRPC does not know comes out as Unknown."""
    require(failure.code in _GRPC_CODES, "an injected code is one of gRPC's")
    require(failure.message, "an injected failure says why")
    _check_ratio(failure)


def _check_ratio(
    failure: http_route_pb2.HttpFailureInjector | grpc_route_pb2.GrpcFailureInjector,
) -> None:
    if failure.HasField("ratio"):
        ratio = failure.ratio
        require(0 < ratio.denominator >= ratio.numerator, "a ratio is 0 to 1")


def check_network(network: net_pb2.IPNetwork) -> None:
    """A network."""
    kind = network.ip.WhichOneof("ip")
    require(kind, "a network has an IP")
    require(network.prefix_len <= (32 if kind == "ipv4" else 128), "a prefix fits its IP")
