"""Rules of outbound backends: what a rule distributes traffic to, and what breaks circuits."""

import math
from collections.abc import Callable, Iterable
from typing import Any, Final

from linkerd.stubs.proxy import opaque_route_pb2
from linkerd.stubs.proxy import outbound_pb2 as pb
from tests.support.policy.part_rules import (
    MAX_PORT,
    NANOSECONDS,
    check_grpc_failure,
    check_http_failure,
    check_metadata,
    check_modifier,
    check_redirect,
    nanoseconds,
)
from tests.support.rules import is_proxy_name, require

_LEAST_WINDOW: Final = NANOSECONDS // 100
_MOST_REQUESTS: Final = 1_000_000
_FAILURES: Final = {"failure_injector", "invalid", "forbidden"}

CheckFilter = Callable[[Any], None]


def check_http_filter(item: pb.HttpRoute.Filter) -> None:
    """A filter of HTTP routes."""
    match item.WhichOneof("kind"):
        case "failure_injector":
            check_http_failure(item.failure_injector)
        case "request_header_modifier":
            check_modifier(item.request_header_modifier)
        case "response_header_modifier":
            check_modifier(item.response_header_modifier)
        case "redirect":
            check_redirect(item.redirect)
        case _:
            require(False, "a filter has a kind")


def check_grpc_filter(item: pb.GrpcRoute.Filter) -> None:
    """A filter of gRPC routes."""
    match item.WhichOneof("kind"):
        case "failure_injector":
            check_grpc_failure(item.failure_injector)
        case "request_header_modifier":
            check_modifier(item.request_header_modifier)
        case _:
            require(False, "a filter has a kind")


def check_stream_filter(item: pb.OpaqueRoute.Filter | pb.TlsRoute.Filter) -> None:
    """A filter of opaque and of TLS routes."""
    kind = item.WhichOneof("kind")
    require(kind, "a filter has a kind")
    if kind == "invalid":
        invalid: opaque_route_pb2.Invalid = item.invalid
        require(invalid.message, "an invalid route says why")


def check_distribution(distribution: Any, filters: Iterable[Any], check: CheckFilter) -> None:
    """What a rule of any kind of route distributes to; `filters` are the rule's, `check` is the
    rule for one of a backend."""
    kind = distribution.WhichOneof("kind")
    require(kind, "a distribution has a kind")
    if kind == "empty":
        fails = any(item.WhichOneof("kind") in _FAILURES for item in filters)
        require(fails, "a rule without backends says why")
        return
    backends = getattr(distribution, kind).backends
    require(backends, "a distribution has backends")
    if kind == "random_available":
        weights = [item.weight for item in backends]
        require(len(weights) == 1 or any(weights), "some of several weights is positive")
        require(sum(weights) < 1 << 32, "weights fit 32 bits")
        require(all(item.HasField("backend") for item in backends), "a weight is of a backend")
        backends = [item.backend for item in backends]
    for item in backends:
        check_route_backend(item, check)


def check_route_backend(item: Any, check: CheckFilter) -> None:
    """A backend with its filters. One that leads nowhere says why, by a filter."""
    require(item.HasField("backend"), "a route's backend is set")
    for known in item.filters:
        check(known)
    check_backend(item.backend)
    fails = any(known.WhichOneof("kind") in _FAILURES for known in item.filters)
    require(item.backend.WhichOneof("kind") or fails, "a backend without a kind says why")


def check_backend(backend: pb.Backend) -> None:
    """A backend."""
    check_metadata(backend.metadata, namespaced=True)
    require(backend.HasField("queue"), "a backend has a queue")
    require(backend.queue.capacity, "a queue has room")
    require(backend.queue.HasField("failfast_timeout"), "a queue has a timeout")
    require(nanoseconds(backend.queue.failfast_timeout, "a failfast"), "a queue waits for a while")
    match backend.WhichOneof("kind"):
        case "forward":
            address = backend.forward.addr
            require(address.ip.WhichOneof("ip"), "a forward has an IP")
            require(0 < address.port <= MAX_PORT, "a forward's port is 1 to 65535")
            require(backend.forward.weight, "a forward's weight is not 0")
        case "balancer":
            check_balancer(backend.balancer)


def check_balancer(balancer: pb.Backend.BalanceP2c) -> None:
    """A balancer; a proxy panics if its path is an IP, or has no port."""
    require(balancer.discovery.WhichOneof("kind"), "a balancer has a discovery")
    name, _, port = balancer.discovery.dst.path.rpartition(":")
    require(is_proxy_name(name), "a path begins with a DNS name")
    require(port.isascii() and port.isdigit(), "a path ends with a port")
    require(0 < int(port) <= MAX_PORT, "a path ends with a port")
    load = balancer.WhichOneof("load") or ""
    require(load, "a balancer has a load")
    durations = {field.name: value for field, value in getattr(balancer, load).ListFields()}
    needed = {"default_rtt", "decay"} if load == "peak_ewma" else set()
    require(needed <= durations.keys(), "peak_ewma has both durations")
    for name, duration in durations.items():
        nanoseconds(duration, f"{load} {name}")


def check_accrual(accrual: pb.FailureAccrual) -> None:
    """What breaks circuits."""
    match accrual.WhichOneof("kind"):
        case "consecutive_failures":
            _check_breaker_backoff(accrual.consecutive_failures)
        case "unified":
            _check_unified(accrual.unified)
        case _:
            require(False, "failure accrual has a kind")


def _check_unified(unified: pb.FailureAccrual.Unified) -> None:
    threshold = unified.success_rate_threshold
    require(0 <= threshold <= 1, "a success rate is 0 to 1")  # not so NaN
    require(unified.HasField("decay"), "a success rate has a window")
    window = nanoseconds(unified.decay, "a window")
    if threshold:
        require(window >= _LEAST_WINDOW, "a window is 10 ms at least")
        require(unified.min_requests <= _MOST_REQUESTS, "least requests are a million at most")
    _check_breaker_backoff(unified)


def _check_breaker_backoff(
    accrual: pb.FailureAccrual.ConsecutiveFailures | pb.FailureAccrual.Unified,
) -> None:
    require(accrual.HasField("backoff"), "failure accrual has a backoff")
    check_backoff(accrual.backoff)


def check_retry(retry: pb.HttpRoute.Retry | pb.GrpcRoute.Retry) -> None:
    """When requests are sent again."""
    require(retry.HasField("conditions"), "retries have conditions, if only empty ones")
    if isinstance(retry, pb.HttpRoute.Retry):
        for known in retry.conditions.status_ranges:
            require(0 < known.start <= known.end < 600, "a range of statuses is within 1 to 599")
    require(retry.max_retries < 1 << 16, "retries fit 16 bits")
    if retry.HasField("timeout"):
        nanoseconds(retry.timeout, "a try's timeout")
    if retry.HasField("backoff"):
        check_backoff(retry.backoff)


def check_backoff(backoff: pb.ExponentialBackoff) -> None:
    """How waits grow."""
    require(backoff.HasField("min_backoff"), "a backoff has a least wait")
    require(backoff.HasField("max_backoff"), "a backoff has a longest wait")
    least = nanoseconds(backoff.min_backoff, "a least wait")
    longest = nanoseconds(backoff.max_backoff, "a longest wait")
    require(0 < longest >= least, "the longest wait is the longer one")
    jitter = backoff.jitter_ratio
    require(math.isfinite(jitter) and 0 <= jitter <= 100, "jitter is 0 to 100")
