"""What a proxy makes of a DestinationProfile, part by part; whatever it would drop is a
RuleError."""

import ipaddress
import re
from typing import Final

import re2

from linkerd.stubs.proxy import destination_pb2 as pb
from tests.support.rules import check_labels, is_proxy_name, require

_MAX_PORT: Final = 65535
_MAX_SECONDS: Final = 315_576_000_000  # of a protobuf Duration
_STATUSES: Final = range(100, 1000)
_METHOD: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_BRACE: Final = re.compile(r"(?<!\\)\{(?![0-9])")
_QUIET: Final = re2.Options()
_QUIET.log_errors = False


def check_profile(profile: pb.DestinationProfile) -> None:
    """Everything but the endpoint. Raises RuleError if a proxy would discard a part of it."""
    name = profile.fully_qualified_name
    require(not name or is_proxy_name(name), "the name is a DNS name")
    if profile.HasField("retry_budget"):
        check_budget(profile.retry_budget)
    for target in profile.dst_overrides:
        check_target(target)
    require(sum(dst.weight for dst in profile.dst_overrides) < 1 << 32, "weights fit 32 bits")
    for route in profile.routes:
        check_route(route)


def check_budget(budget: pb.RetryBudget) -> None:
    """Raises RuleError if proxies would not retry at all."""
    require(0 <= budget.retry_ratio <= 1000, "the retry ratio is 0 to 1000")
    require(budget.min_retries_per_second < 1 << 31, "the least retries fit 31 bits")
    nanoseconds = budget.ttl.seconds * 10**9 + budget.ttl.nanos
    require(10**9 <= nanoseconds <= 60 * 10**9, "the budget's ttl is 1 s to 60 s")


def check_target(target: pb.WeightedDst) -> None:
    """Raises RuleError if a proxy would take the target out of the split. One of weight 0 is out of
    it because its author says so."""
    host, colon, port = target.authority.rpartition(":")
    require(colon, "a target has a port")
    require(is_proxy_name(host.removesuffix(".")) or _is_ip(host), "a target is a DNS name")
    require(port.isascii() and port.isdigit() and int(port) <= _MAX_PORT, "a target has a port")


def _is_ip(host: str) -> bool:
    """Proxies take no IPs here, but upstream sends them."""
    try:
        return bool(ipaddress.ip_address(host.removeprefix("[").removesuffix("]")))
    except ValueError:
        return False


def check_route(route: pb.Route) -> None:
    """Raises RuleError if a proxy would drop the route or a part of it."""
    require(route.HasField("condition"), "a route has a condition")
    check_request(route.condition)
    for item in route.response_classes:
        require(item.HasField("condition"), "a response class has a condition")
        check_response(item.condition)
    check_labels(route.metrics_labels, "route")
    if route.HasField("timeout"):
        timeout = route.timeout
        require(0 <= timeout.seconds <= _MAX_SECONDS, "a timeout is a duration")
        require(0 <= timeout.nanos < 10**9, "a timeout is a duration")
        require(timeout.seconds or timeout.nanos, "a timeout lets some request pass")


def check_request(match: pb.RequestMatch) -> None:
    """Raises RuleError if a proxy would drop the match: the rest may then match more."""
    match match.WhichOneof("match"):
        case "all" | "any" as kind:
            for inner in getattr(match, kind).matches:
                check_request(inner)
        case "not":
            check_request(getattr(match, "not"))
        case "path":
            require(match.path.regex, "a path's expression is not empty")
            require(_compiles(match.path.regex), "a path's expression compiles")
        case "method":
            _check_method(match)
        case _:
            require(False, "a request match says something")


def _compiles(regex: str) -> bool:
    """Whether a proxy compiles the expression, as far as RE2 is like what proxies use; a brace that
    counts nothing, which RE2 takes for text, is the difference that people meet."""
    try:
        re2.compile(f"^{regex.strip()}$", _QUIET)
    except re2.error:
        return False
    return not _BRACE.search(regex)


def _check_method(match: pb.RequestMatch) -> None:
    if match.method.WhichOneof("type") == "unregistered":
        require(_METHOD.fullmatch(match.method.unregistered), "a method is a token")
    else:
        require(match.method.WhichOneof("type"), "a method has a type")


def check_response(match: pb.ResponseMatch) -> None:
    """Raises RuleError if a proxy would drop the match, and the class with it."""
    match match.WhichOneof("match"):
        case "all" | "any" as kind:
            require(getattr(match, kind).matches, "a response match has members")
            for inner in getattr(match, kind).matches:
                check_response(inner)
        case "not":
            check_response(getattr(match, "not"))
        case "status":
            low, high = match.status.min, match.status.max
            require(low in _STATUSES and high in _STATUSES, "statuses have three digits")
            require(low <= high, "a range of statuses is not empty")
        case _:
            require(False, "a response match says something")
