"""Timeouts, retries and failure accrual as messages."""

from datetime import timedelta
from typing import Any, Final

from linkerd.policy.failure_accrual import Backoff, ConsecutiveFailures, FailureAccrual
from linkerd.policy.retries import GrpcCondition, GrpcRetry, HttpRetry
from linkerd.policy.timeouts import Timeouts
from linkerd.stubs.proxy import http_route_pb2
from linkerd.stubs.proxy import outbound_pb2 as pb
from services.policy.wire.routes import duration_message

_REPLAYED: Final = 64 << 10  # bytes of a request's body that a proxy keeps to send again
_FIELDS: Final = {
    GrpcCondition.CANCELLED: "cancelled",
    GrpcCondition.DEADLINE_EXCEEDED: "deadine_exceeded",  # as the protocol spells it
    GrpcCondition.RESOURCE_EXHAUSTED: "resource_exhausted",
    GrpcCondition.INTERNAL: "internal",
    GrpcCondition.UNAVAILABLE: "unavailable",
}


def _backoff(backoff: Backoff, *, honors_retry_after: bool = False) -> pb.ExponentialBackoff:
    return pb.ExponentialBackoff(
        min_backoff=duration_message(backoff.minimum),
        max_backoff=duration_message(backoff.maximum),
        jitter_ratio=backoff.jitter,
        respect_retry_after_hint=honors_retry_after,
    )


_BETWEEN_TRIES: Final = _backoff(
    Backoff(timedelta(milliseconds=25), timedelta(milliseconds=250), 1.0)
)


def timeouts_message(timeouts: Timeouts) -> http_route_pb2.Timeouts:
    """Those that are set; it may be empty."""
    known = {"request": timeouts.request, "response": timeouts.response, "idle": timeouts.idle}
    return http_route_pb2.Timeouts(
        **{name: duration_message(each) for name, each in known.items() if each is not None}
    )


def retry_fields(retry: HttpRetry | GrpcRetry) -> dict[str, Any]:
    """The fields of a Retry that say the same for HTTP and gRPC."""
    fields: dict[str, Any] = {
        "max_retries": retry.limit,
        "max_request_bytes": _REPLAYED,
        "backoff": _BETWEEN_TRIES,
    }
    if retry.timeout is not None:
        fields["timeout"] = duration_message(retry.timeout)
    return fields


def http_retry_message(retry: HttpRetry) -> pb.HttpRoute.Retry:
    """When HTTP requests are sent again."""
    ranges = [
        pb.HttpRoute.Retry.Conditions.StatusRange(start=low, end=high)
        for low, high in retry.statuses
    ]
    conditions = pb.HttpRoute.Retry.Conditions(status_ranges=ranges)
    return pb.HttpRoute.Retry(conditions=conditions, **retry_fields(retry))


def grpc_retry_message(retry: GrpcRetry) -> pb.GrpcRoute.Retry:
    """When gRPC calls are sent again."""
    conditions = pb.GrpcRoute.Retry.Conditions()
    for condition in retry.conditions:
        setattr(conditions, _FIELDS[condition], True)
    return pb.GrpcRoute.Retry(conditions=conditions, **retry_fields(retry))


def accrual_message(accrual: FailureAccrual) -> pb.FailureAccrual:
    """When an endpoint is left alone."""
    if isinstance(accrual, ConsecutiveFailures):
        return pb.FailureAccrual(
            consecutive_failures=pb.FailureAccrual.ConsecutiveFailures(
                max_failures=accrual.max_failures, backoff=_backoff(accrual.backoff)
            )
        )
    return pb.FailureAccrual(
        unified=pb.FailureAccrual.Unified(
            success_rate_threshold=accrual.success_threshold,
            decay=duration_message(accrual.window),
            min_requests=accrual.min_requests,
            max_consecutive_failures=accrual.max_failures,
            backoff=_backoff(accrual.backoff, honors_retry_after=accrual.honors_retry_after),
        )
    )
