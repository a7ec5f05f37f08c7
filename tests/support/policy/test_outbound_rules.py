"""The reader of outbound policies knows what proxies refuse: each of these breaks one rule."""

import pytest

from tests.support.policy.outbound_examples import (
    GOOD,
    Spoil,
    backend,
    breaker,
    clear,
    filters,
    forward,
    has,
    match,
    path,
    policy,
    rule,
    two_weights,
    unified,
)
from tests.support.policy.readers import PolicyReader
from tests.support.rules import RuleError


@pytest.mark.parametrize("kind", GOOD)
def test_good_policies_of_every_protocol(kind: str) -> None:
    PolicyReader().take(policy(kind).SerializeToString())


BAD: list[tuple[str, str, Spoil]] = [
    ("a protocol has a kind", "http1", lambda item: item.Clear()),
    *[(f"detect has {name}", "detect", clear(name)) for name in ("timeout", "opaque", "http2")],
    ("detection takes a while", "detect", lambda item: item.timeout.Clear()),
    ("opaque has one route", "opaque", clear("routes")),
    ("opaque has one route", "opaque", lambda item: item.routes.append(item.routes[0])),
    ("an opaque route has one rule", "opaque", lambda item: item.routes[0].ClearField("rules")),
    ("a TLS route has one rule", "tls", lambda item: item.routes[0].ClearField("rules")),
    ("an SNI match says something", "tls", lambda item: item.routes[0].snis[0].Clear()),
    ("an SNI is a DNS name", "tls", lambda item: has(exact="a b")(item.routes[0].snis[0])),
    ("metadata has a kind", "http1", lambda item: item.routes[0].ClearField("metadata")),
    ("a default has a name", "http1", lambda item: has(default="")(item.routes[0].metadata)),
    ("a host match says something", "http1", lambda item: item.routes[0].hosts[0].Clear()),
    ("a host is a DNS name", "http1", lambda item: has(exact="a/")(item.routes[0].hosts[0])),
    ("a host suffix is", "http1", lambda item: item.routes[0].hosts[1].suffix.Clear()),
    ("a path match has a kind", "http1", match(lambda item: item.path.Clear())),
    ("a path begins with a slash", "http1", match(lambda item: has(exact="a")(item.path))),
    ("a path's expression", "http1", match(lambda item: has(regex="(")(item.path))),
    ("a path's expression", "http1", match(lambda item: has(regex="/{id}")(item.path))),
    ("has a header's name", "http1", match(lambda item: has(name="X-A")(item.headers[0]))),
    ("a header match has a value", "http1", match(lambda item: clear("exact")(item.headers[0]))),
    ("no control characters", "http1", match(lambda item: has(exact=b"\n")(item.headers[0]))),
    ("a header's expression", "http1", match(lambda item: has(regex="(")(item.headers[1]))),
    ("a query match has a name", "http1", match(lambda item: clear("name")(item.query_params[0]))),
    ("a query match has a value", "http1", match(lambda q: clear("exact")(q.query_params[0]))),
    ("a query's expression", "http1", match(lambda item: has(regex="(")(item.query_params[0]))),
    ("a method has a type", "http1", match(lambda item: item.method.Clear())),
    ("a method is a token", "http1", match(lambda item: has(unregistered="a b")(item.method))),
    ("a gRPC match has rpc", "grpc", match(clear("rpc"))),
    ("a filter has a kind", "http1", filters(0, lambda item: item.Clear())),
    ("a filter has a kind", "grpc", filters(0, lambda item: item.Clear())),
    ("a filter has a kind", "tls", filters(0, lambda item: item.Clear())),
    (
        "a modified header has",
        "http1",
        filters(0, lambda item: has(name="a:")(item.request_header_modifier.add.headers[0])),
    ),
    (
        "no control characters",
        "http1",
        filters(0, lambda item: has(value=b"\0")(item.request_header_modifier.add.headers[0])),
    ),
    (
        "a removed header has",
        "http1",
        filters(0, lambda item: item.response_header_modifier.remove.append("A")),
    ),
    ("a scheme has a type", "http1", filters(1, lambda item: item.redirect.scheme.Clear())),
    (
        "a scheme is a token",
        "http1",
        filters(1, lambda item: has(unregistered="1")(item.redirect.scheme)),
    ),
    ("a redirect's host", "http1", filters(1, lambda item: has(host="a b")(item.redirect))),
    ("replaces something", "http1", filters(1, lambda item: item.redirect.path.Clear())),
    ("path is absolute", "http1", filters(1, lambda item: has(prefix="x")(item.redirect.path))),
    ("a redirect's port", "http1", filters(1, lambda item: has(port=65536)(item.redirect))),
    ("a redirect's status", "http1", filters(1, lambda item: clear("status")(item.redirect))),
    ("three digits", "http1", filters(2, lambda item: has(status=99)(item.failure_injector))),
    ("says why", "http1", filters(2, lambda item: clear("message")(item.failure_injector))),
    (
        "a ratio is 0 to 1",
        "http1",
        filters(2, lambda item: has(numerator=2, denominator=1)(item.failure_injector.ratio)),
    ),
    (
        "a ratio is 0 to 1",
        "http1",
        filters(2, lambda item: has(numerator=0)(item.failure_injector.ratio)),
    ),
    ("one of gRPC's", "grpc", filters(0, lambda item: has(code=500)(item.failure_injector))),
    ("a distribution has a kind", "http1", rule(clear("backends"))),
    ("has backends", "http1", rule(lambda item: item.backends.first_available.Clear())),
    ("a rule without backends says why", "tls", rule(clear("filters"))),
    ("a rule without backends says why", "opaque", rule(lambda item: item.backends.empty.Clear())),
    ("some of several weights", "http1", rule(lambda item: two_weights(item, 0, 0))),
    ("weights fit", "http1", rule(lambda item: two_weights(item, 1, (1 << 32) - 1))),
    (
        "a weight is of a backend",
        "http1",
        rule(lambda item: clear("backend")(item.backends.random_available.backends[0])),
    ),
    (
        "a route's backend is set",
        "opaque",
        rule(lambda item: clear("backend")(item.backends.first_available.backends[0])),
    ),
    ("a backend without a kind", "opaque", backend(clear("balancer"))),
    ("metadata has a kind", "opaque", backend(clear("metadata"))),
    ("a backend has a queue", "opaque", backend(clear("queue"))),
    ("a queue has room", "opaque", backend(lambda item: clear("capacity")(item.queue))),
    ("has a timeout", "opaque", backend(lambda item: clear("failfast_timeout")(item.queue))),
    ("waits for a while", "opaque", backend(lambda item: item.queue.failfast_timeout.Clear())),
    ("has a discovery", "opaque", backend(lambda item: clear("discovery")(item.balancer))),
    ("a path begins with a DNS name", "opaque", path("10.0.0.1:80")),
    ("a path begins with a DNS name", "opaque", path("pear.fruit")),
    ("a path ends with a port", "opaque", path("pear.fruit:http")),
    ("a path ends with a port", "opaque", path("pear.fruit:0")),
    ("a balancer has a load", "opaque", backend(lambda item: clear("peak_ewma")(item.balancer))),
    (
        "peak_ewma has both",
        "opaque",
        backend(lambda item: clear("decay")(item.balancer.peak_ewma)),
    ),
    (
        "penalty_peak_ewma penalty is not negative",
        "opaque",
        backend(lambda item: has(seconds=-1)(item.balancer.penalty_peak_ewma.penalty)),
    ),
    ("a forward has an IP", "http1", forward(lambda item: item.forward.addr.ip.Clear())),
    ("a forward's port", "http1", forward(lambda item: has(port=0)(item.forward.addr))),
    ("a forward's weight", "http1", forward(lambda item: has(weight=0)(item.forward))),
    ("accrual has a kind", "http1", lambda item: item.failure_accrual.Clear()),
    ("accrual has a backoff", "http1", breaker(clear("backoff"))),
    ("a least wait", "http1", breaker(lambda item: clear("min_backoff")(item.backoff))),
    ("a longest wait", "http1", breaker(lambda item: clear("max_backoff")(item.backoff))),
    ("the longer one", "http1", breaker(lambda item: has(seconds=61)(item.backoff.min_backoff))),
    ("the longer one", "http1", breaker(lambda item: item.backoff.max_backoff.Clear())),
    ("jitter is", "http1", breaker(lambda item: has(jitter_ratio=100.5)(item.backoff))),
    ("jitter is", "http1", breaker(lambda item: has(jitter_ratio=float("nan"))(item.backoff))),
    ("accrual has a backoff", "grpc", unified(clear("backoff"))),
    ("a success rate is", "grpc", unified(has(success_rate_threshold=1.5))),
    ("has a window", "grpc", unified(clear("decay"))),
    ("a window is 10 ms", "grpc", unified(lambda item: item.decay.FromMilliseconds(9))),
    ("a million", "grpc", unified(has(min_requests=1_000_001))),
    ("retries have conditions", "http1", rule(lambda item: clear("conditions")(item.retry))),
    ("retries have conditions", "grpc", rule(lambda item: clear("conditions")(item.retry))),
    (
        "within 1 to 599",
        "http1",
        rule(lambda item: has(end=499)(item.retry.conditions.status_ranges[0])),
    ),
    ("retries fit 16 bits", "http1", rule(lambda item: has(max_retries=1 << 16)(item.retry))),
    ("a try's timeout", "http1", rule(lambda item: has(seconds=-1)(item.retry.timeout))),
    ("the longer one", "http1", rule(lambda item: item.retry.backoff.max_backoff.Clear())),
    ("timeout request", "http1", rule(lambda item: has(nanos=-1)(item.timeouts.request))),
    ("a request's timeout", "http1", rule(lambda item: has(seconds=-1)(item.requestTimeout))),
]


@pytest.mark.parametrize(("problem", "kind", "spoil"), BAD)
def test_policies_that_break_a_rule(problem: str, kind: str, spoil: Spoil) -> None:
    spoiled = policy(kind)
    spoil(
        spoiled.protocol if problem == "a protocol has a kind" else getattr(spoiled.protocol, kind)
    )
    with pytest.raises(RuleError, match=problem):
        PolicyReader().take(spoiled.SerializeToString())


@pytest.mark.parametrize("field", ["group", "kind", "name", "namespace"])
def test_a_resource_is_whole(field: str) -> None:
    spoiled = policy("opaque")
    clear(field)(spoiled.metadata.resource)
    with pytest.raises(RuleError, match=f"has a {field}"):
        PolicyReader().take(spoiled.SerializeToString())


@pytest.mark.parametrize("field", ["metadata", "protocol"])
def test_a_policy_is_whole(field: str) -> None:
    spoiled = policy("opaque")
    clear(field)(spoiled)
    with pytest.raises(RuleError, match=field):
        PolicyReader().take(spoiled.SerializeToString())


def test_a_policy_is_told_again_only_to_another_stream() -> None:
    reader, raw = PolicyReader(), policy("tls").SerializeToString()
    reader.take(raw)
    with pytest.raises(RuleError, match="something new"):
        reader.take(raw)
    reader.reconnect()
    reader.take(raw)


def test_a_policy_has_less_than_4_mib() -> None:
    huge = policy("opaque")
    huge.metadata.resource.section = "x" * (4 << 20)
    with pytest.raises(RuleError, match="4 MiB"):
        PolicyReader().take(huge.SerializeToString())
