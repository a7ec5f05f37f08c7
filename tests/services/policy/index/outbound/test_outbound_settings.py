"""Timeouts, retries, failure accrual and load bias, of routes and of their parents. Ids of the
catalogue: O31 to O38, O40 to O52."""

from collections.abc import Mapping
from typing import Any

import pytest

from services.policy.index.kinds import Kind
from tests.support.policy.outbound import (
    EGRESS,
    OUTSIDE,
    PORT,
    World,
    backend,
    backends_of,
    first_rule,
    kind_of,
    names_of,
    parent_of,
)

ACCRUAL = "balancer.linkerd.io/failure-accrual"
ALPHA = "balancer.alpha.linkerd.io/"
RATE = f"{ALPHA}failure-accrual-success-rate"
REQUEST, RESPONSE, IDLE = (f"timeout.linkerd.io/{each}" for each in ("request", "response", "idle"))
RETRY = "retry.linkerd.io/"


@pytest.fixture
def world() -> World:
    return World()


def route(
    world: World, annotations: Mapping[str, str] = {}, kind: Kind = Kind.GATEWAY_HTTP_ROUTE
) -> Any:
    """The rule that is told of a route with these annotations."""
    world.route("r", kind, backend("pear"), meta={"annotations": annotations})
    return first_rule(world.policy())


def accrual(world: World, **annotations: str) -> Any:
    """What is told of a Service with these annotations, None if nothing is."""
    world.service(annotations=annotations)
    detect = world.policy().protocol.detect
    assert detect.http1.HasField("failure_accrual") == detect.http2.HasField("failure_accrual")
    assert detect.http1.failure_accrual == detect.http2.failure_accrual
    return detect.http1.failure_accrual if detect.http1.HasField("failure_accrual") else None


def timeouts(rule: Any) -> dict[str, int]:
    """Milliseconds by name, of those that are set."""
    return {field.name: each.ToMilliseconds() for field, each in rule.timeouts.ListFields()}


def test_o31_a_route_says_when_to_retry(world: World) -> None:
    said = {"http": "5xx,429,Gateway-Error", "limit": "3", "timeout": "400ms"}
    retry = route(world, {RETRY + key: value for key, value in said.items()}).retry
    ranges = [(each.start, each.end) for each in retry.conditions.status_ranges]
    assert ranges == [(500, 599), (429, 429), (502, 504)]
    assert (retry.max_retries, retry.max_request_bytes) == (3, 65536)
    assert retry.timeout.ToMilliseconds() == 400
    assert retry.backoff.min_backoff.ToMilliseconds() == 25
    assert retry.backoff.max_backoff.ToMilliseconds() == 250
    assert retry.backoff.jitter_ratio == 1.0


@pytest.mark.parametrize("said", [{"limit": "0"}, {"timeout": "1s"}])
def test_any_of_the_annotations_makes_retries(world: World, said: dict[str, str]) -> None:
    retry = route(world, {RETRY + key: value for key, value in said.items()}).retry
    assert retry.HasField("conditions")
    assert retry.max_retries == 1


@pytest.mark.parametrize("said", ["451-404", "99", "5xx, 429", "600"])
def test_o32_a_route_with_senseless_retries_is_as_absent(world: World, said: str) -> None:
    route(world, {RETRY + "http": said})
    assert names_of(world.policy()) == ["http"]
    assert world.index.tally.complaints == 1


def test_o33_a_grpc_route_says_when_to_retry(world: World) -> None:
    names = "unavailable,internal,deadline-exceeded"
    rule = route(world, {RETRY + "grpc": names, RETRY + "http": "nonsense"}, Kind.GRPC_ROUTE)
    told = {field.name for field, _ in rule.retry.conditions.ListFields()}
    assert told == {"unavailable", "internal", "deadine_exceeded"}


def test_o34_retries_are_inherited_by_routes_of_the_protocol(world: World) -> None:
    world.service(annotations={RETRY + "http": "503", RETRY + "grpc": "internal"})
    assert first_rule(world.policy()).retry.conditions.status_ranges[0].start == 503
    assert route(world).retry.conditions.status_ranges[0].start == 503
    assert route(world, {RETRY + "http": "500"}).retry.conditions.status_ranges[0].start == 500
    assert route(world, kind=Kind.GRPC_ROUTE).retry.conditions.internal


def test_o35_o36_timeouts_are_inherited_together_or_not_at_all(world: World) -> None:
    world.service(annotations={REQUEST: "9s", RESPONSE: "8s", IDLE: "7s"})
    inherited = {"request": 9000, "response": 8000, "idle": 7000}
    assert timeouts(first_rule(world.policy())) == inherited
    assert timeouts(route(world)) == inherited
    rule = route(world, {REQUEST: "1s"})
    assert timeouts(rule) == {"request": 1000}
    assert rule.requestTimeout.seconds == 1
    assert timeouts(route(world, kind=Kind.GRPC_ROUTE)) == inherited


@pytest.mark.parametrize(
    ("kind", "said", "annotations", "told"),
    [
        (Kind.GATEWAY_HTTP_ROUTE, "2s", {}, {"request": 2000}),
        (Kind.GATEWAY_HTTP_ROUTE, "1m30s", {}, {"request": 90_000}),
        (Kind.HTTP_ROUTE, "1h30m", {}, {"request": 5_400_000}),
        (Kind.HTTP_ROUTE, "2s", {REQUEST: "7s"}, {"request": 7000}),
        (Kind.HTTP_ROUTE, "2s", {IDLE: "7s"}, {"request": 2000, "idle": 7000}),
        (Kind.HTTP_ROUTE, "0s", {}, {"request": 9000}),
    ],
)
def test_o37_o38_a_rule_has_a_timeout(
    world: World, kind: Kind, said: str, annotations: dict[str, str], told: dict[str, int]
) -> None:
    world.service(annotations={REQUEST: "9s"})
    rules = [{"timeouts": {"request": said}}]
    world.route("r", kind, rules=rules, meta={"annotations": annotations})
    assert timeouts(first_rule(world.policy())) == told


def test_o40_consecutive_failures(world: World) -> None:
    told = accrual(world, **{ACCRUAL: "consecutive"}).consecutive_failures
    assert told.max_failures == 7
    assert told.backoff.min_backoff.seconds == 1
    assert told.backoff.max_backoff.seconds == 60
    assert told.backoff.jitter_ratio == 0.5


def test_o41_consecutive_failures_by_all_parameters(world: World) -> None:
    more = {"max-failures": "4", "min-penalty": "2s", "max-penalty": "9s", "jitter-ratio": "1.5"}
    said = {f"{ACCRUAL}-consecutive-{key}": value for key, value in more.items()}
    told = accrual(world, **{ACCRUAL: "consecutive"}, **said).consecutive_failures
    assert told.max_failures == 4
    assert told.backoff.min_backoff.seconds == 2
    assert told.backoff.max_backoff.seconds == 9
    assert told.backoff.jitter_ratio == 1.5


@pytest.mark.parametrize(
    "said",
    [
        {ACCRUAL: "weird"},
        {ACCRUAL: "consecutive", f"{ACCRUAL}-consecutive-min-penalty": "5m"},
        {ACCRUAL: "consecutive", f"{ACCRUAL}-consecutive-jitter-ratio": "100.5"},
        {ACCRUAL: "consecutive", f"{ACCRUAL}-consecutive-max-penalty": "0"},
        {ACCRUAL: "unified", f"{RATE}-threshold": "1.2"},
        {ACCRUAL: "unified", f"{RATE}-window": "0"},
        {ACCRUAL: "unified", f"{RATE}-window": "5ms"},
        {ACCRUAL: "unified", f"{RATE}-min-requests": "2000000"},
    ],
)
def test_o42_o43_o44_o46_what_makes_no_sense_breaks_no_circuits(
    world: World, said: dict[str, str]
) -> None:
    """The rest of the Service's settings stands."""
    told = accrual(world, **said, **{REQUEST: "9s"})
    assert told is None
    assert timeouts(first_rule(world.policy())) == {"request": 9000}
    assert world.index.tally.complaints == 1


def test_o45_unified_accrual(world: World) -> None:
    told = accrual(world, **{ACCRUAL: "unified"}).unified
    assert told.success_rate_threshold == 0.8
    assert told.decay.seconds == 10
    assert (told.min_requests, told.max_consecutive_failures) == (5, 7)
    assert not told.backoff.respect_retry_after_hint


def test_o47_o48_either_half_of_unified_accrual_may_be_off(world: World) -> None:
    off = {f"{RATE}-threshold": "0", f"{RATE}-window": "5ms"}
    told = accrual(world, **{ACCRUAL: "unified"}, **off).unified
    assert told.success_rate_threshold == 0
    assert told.decay.ToMilliseconds() == 5
    off[f"{ACCRUAL}-consecutive-max-failures"] = "0"
    assert accrual(world, **{ACCRUAL: "unified"}, **off).unified.max_consecutive_failures == 0


def test_o49_unified_accrual_waits_as_long_as_endpoints_ask(world: World) -> None:
    honor = {f"{ALPHA}failure-accrual-honor-retry-after": " TRUE "}
    unified = accrual(world, **{ACCRUAL: "unified"}, **honor).unified
    assert unified.backoff.respect_retry_after_hint
    consecutive = accrual(world, **{ACCRUAL: "consecutive"}, **honor).consecutive_failures
    assert not consecutive.backoff.respect_retry_after_hint


def test_circuits_of_egress_networks_and_grpc(world: World) -> None:
    world.egress(annotations={ACCRUAL: "consecutive"})
    assert world.policy(OUTSIDE).protocol.detect.http1.HasField("failure_accrual")
    world.route("r", Kind.GRPC_ROUTE, parent=parent_of("world", EGRESS, port=PORT))
    assert world.policy(OUTSIDE).protocol.grpc.HasField("failure_accrual")


def test_o50_failures_weigh_as_latency(world: World) -> None:
    world.service(annotations={f"{ALPHA}penalize-failures": "t"})
    for rule in (first_rule(world.policy()), route(world)):
        (only,) = backends_of(rule)
        load = only.backend.balancer.penalty_peak_ewma
        told = [load.default_rtt, load.decay, load.penalty, load.penalty_decay]
        milliseconds = [each.ToMilliseconds() for each in (*told, load.max_retry_after)]
        assert milliseconds == [30, 10_000, 5_000, 10_000, 300_000]


def test_o51_failures_of_bytes_do_not_weigh(world: World) -> None:
    ports = [{"port": PORT, "appProtocol": "linkerd.io/tcp"}]
    world.service(ports=ports, annotations={f"{ALPHA}penalize-failures": "t"})
    for kind in (None, Kind.TCP_ROUTE):
        if kind is not None:
            world.route("r", kind, backend("pear"))
        policy = world.policy()
        assert kind_of(policy) == "opaque"
        (only,) = backends_of(first_rule(policy))
        assert only.backend.balancer.HasField("peak_ewma")


@pytest.mark.parametrize(
    "said", [{"penalize-failures": "yes"}, {"penalize-failures": "t", "load-biaser-penalty": "1"}]
)
def test_o52_a_senseless_bias_is_none(world: World, said: dict[str, str]) -> None:
    world.service(annotations={ALPHA + key: value for key, value in said.items()})
    (only,) = backends_of(first_rule(world.policy()))
    assert only.backend.balancer.HasField("peak_ewma")
    assert world.index.tally.complaints == 1


def test_a_complaint_is_made_again_when_a_service_comes_again(world: World) -> None:
    watcher = world.watch_name("pear")
    for _ in range(2):
        world.service(annotations={ACCRUAL: "weird"})
        watcher.read()
    assert world.index.tally.complaints == 1
    world.remove(Kind.SERVICE, world.service(annotations={ACCRUAL: "weird"}))
    world.service(annotations={ACCRUAL: "weird"})
    assert world.index.tally.complaints == 2
