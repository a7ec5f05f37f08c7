"""Routes, retry budgets and weighted targets as messages."""

from datetime import timedelta
from typing import Final

from google.protobuf.duration_pb2 import Duration

from linkerd.mesh.authority import with_port
from linkerd.stubs.proxy import destination_pb2 as pb
from linkerd.stubs.proxy import http_types_pb2
from services.destination.model.routes import (
    AllOf,
    AnyOf,
    Match,
    MethodMatch,
    Not,
    PathMatch,
    ResponseClass,
    RetryBudget,
    Route,
    StatusMatch,
)

_REGISTERED: Final = dict(http_types_pb2.HttpMethod.Registered.items())


def route_message(route: Route) -> pb.Route:
    """A route."""
    message = pb.Route(
        condition=request_message(route.match),
        response_classes=map(_class_message, route.response_classes),
        metrics_labels={"route": route.name},
        is_retryable=route.retryable,
    )
    if route.timeout is not None:
        message.timeout.CopyFrom(_duration(route.timeout))
    return message


def request_message(match: Match) -> pb.RequestMatch:
    """A match of requests."""
    match match:
        case AllOf(matches):
            return pb.RequestMatch(all=pb.RequestMatch.Seq(matches=map(request_message, matches)))
        case AnyOf(matches):
            return pb.RequestMatch(any=pb.RequestMatch.Seq(matches=map(request_message, matches)))
        case Not(inner):
            message = pb.RequestMatch()
            getattr(message, "not").CopyFrom(request_message(inner))
            return message
        case PathMatch(regex):
            return pb.RequestMatch(path=pb.PathMatch(regex=regex))
        case MethodMatch(method):
            return pb.RequestMatch(method=_method(method))
        case StatusMatch():
            raise TypeError("a request has no status")


def response_message(match: Match) -> pb.ResponseMatch:
    """A match of responses."""
    match match:
        case AllOf(matches):
            return pb.ResponseMatch(
                all=pb.ResponseMatch.Seq(matches=map(response_message, matches))
            )
        case AnyOf(matches):
            return pb.ResponseMatch(
                any=pb.ResponseMatch.Seq(matches=map(response_message, matches))
            )
        case Not(inner):
            message = pb.ResponseMatch()
            getattr(message, "not").CopyFrom(response_message(inner))
            return message
        case StatusMatch(low, high):
            return pb.ResponseMatch(status=pb.HttpStatusRange(min=low, max=high))
        case PathMatch() | MethodMatch():
            raise TypeError("a response has neither path nor method")


def budget_message(budget: RetryBudget) -> pb.RetryBudget:
    """A retry budget."""
    return pb.RetryBudget(
        retry_ratio=budget.ratio,
        min_retries_per_second=budget.minimum,
        ttl=_duration(budget.ttl),
    )


def target_message(authority: str, weight: int, port: int) -> pb.WeightedDst:
    """A target; without a port of its own, that of the request."""
    return pb.WeightedDst(authority=with_port(authority, port), weight=weight)


def _class_message(item: ResponseClass) -> pb.ResponseClass:
    return pb.ResponseClass(condition=response_message(item.match), is_failure=item.is_failure)


def _method(name: str) -> http_types_pb2.HttpMethod:
    registered = _REGISTERED.get(name)
    if registered is None:
        return http_types_pb2.HttpMethod(unregistered=name)
    return http_types_pb2.HttpMethod(registered=registered)


def _duration(duration: timedelta) -> Duration:
    message = Duration()
    message.FromTimedelta(duration)
    return message
