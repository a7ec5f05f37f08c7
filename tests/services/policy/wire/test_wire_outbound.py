"""Policies as messages: what the protobuf library would make of them, and no more than fits."""

from itertools import product
from typing import Any

import pytest

from linkerd.policy.durations import ZERO
from linkerd.policy.failure_accrual import Backoff, ConsecutiveFailures
from linkerd.policy.hosts import ExactHost
from linkerd.policy.matches import HttpMatch, PathKind, PathMatch
from linkerd.stubs.proxy import outbound_pb2 as pb
from services.policy.model.outbound import (
    Backend,
    Forward,
    Metadata,
    OutboundPolicy,
    Protocol,
    ResourceName,
    Route,
    RouteBackend,
    Rule,
)
from services.policy.wire.outbound import PolicyDeltas
from tests.support.policy.outbound import names_of
from tests.support.policy.readers import PolicyReader

PARENT = ResourceName("core", "Service", "fruit", "pear", 8080)
BACKENDS = (RouteBackend(Backend("d", Forward("fd00::1", 80))),)
STREAM = Route("opaq", (Rule(backends=BACKENDS),))
ACCRUAL = ConsecutiveFailures(7, Backoff(ZERO.resolution, ZERO.resolution, 0.5))


def route(name: str, size: int = 1) -> Route:
    match = HttpMatch(PathMatch(PathKind.PREFIX, "/" + "x" * size))
    rule = Rule(matches=(match,), backends=BACKENDS, weighted=True)
    return Route(ResourceName("g", "HTTPRoute", "fruit", name), (rule,), (ExactHost("a.test"),))


def plain(name: str) -> Route:
    return Route(name, (Rule(backends=BACKENDS),), (ExactHost("a.test"),))


def deltas(cuts: list[Metadata], **limits: int) -> PolicyDeltas:
    return PolicyDeltas(cuts.append, **limits)


def policy(protocol: Protocol, **more: Any) -> OutboundPolicy:
    made = {
        Protocol.OPAQUE: (),
        Protocol.TLS: (plain("a"), plain("b")),
        Protocol.GRPC: (plain("a"), plain("b")),
    }.get(protocol, (route("a"), plain("b")))
    return OutboundPolicy(PARENT, protocol, made, STREAM, **more)


@pytest.mark.parametrize(("protocol", "accrual"), list(product(Protocol, [None, ACCRUAL])))
def test_what_is_joined_is_what_the_library_makes(
    protocol: Protocol, accrual: ConsecutiveFailures | None
) -> None:
    (raw,) = deltas([])(None, policy(protocol, accrual=accrual))
    message = PolicyReader().take(raw)
    assert message.SerializeToString(deterministic=True) == raw
    kind = message.protocol.WhichOneof("kind")
    assert kind == protocol.value
    breaks = accrual is not None and protocol not in (Protocol.OPAQUE, Protocol.TLS)
    assert ("failure_accrual" in str(message)) == breaks


def test_equal_policies_are_told_once() -> None:
    tell = deltas([])
    first, other = policy(Protocol.DETECT), policy(Protocol.DETECT)
    (raw,) = tell(None, first)
    assert tell(first, other) == ()
    assert tell(other, policy(Protocol.HTTP_1)) != ()
    assert tell(None, first)[0] is raw  # encoded once


@pytest.mark.parametrize(
    ("protocol", "left"), [(Protocol.DETECT, ["a", "d"]), (Protocol.HTTP_1, ["a", "b", "c", "d"])]
)
def test_what_is_too_much_for_a_message_loses_its_newest_routes(
    protocol: Protocol, left: list[str]
) -> None:
    cuts: list[Metadata] = []
    routes = (*(route(name, 1_000) for name in "abc"), plain("d"))
    (raw,) = deltas(cuts, max_bytes=4_000)(None, OutboundPolicy(PARENT, protocol, routes, STREAM))
    assert names_of(pb.OutboundPolicy.FromString(raw)) == left
    assert cuts == ([PARENT] if len(left) < 4 else [])


def test_defaults_stay_even_if_nothing_fits() -> None:
    cuts: list[Metadata] = []
    made = OutboundPolicy(PARENT, Protocol.HTTP_2, (route("a"), plain("d")))
    (raw,) = deltas(cuts, max_bytes=0)(None, made)
    assert names_of(pb.OutboundPolicy.FromString(raw)) == ["d"]
    assert cuts == [PARENT]
