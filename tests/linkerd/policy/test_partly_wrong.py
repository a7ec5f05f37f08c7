"""Objects of which a part is wrong: what stands, so that no fault opens what the rest closes."""

from typing import Any

import msgspec
import pytest

from linkerd.kube.objects import EgressNetwork, HTTPLocalRateLimitPolicy, Server
from linkerd.mesh.names import IdentityDomain
from linkerd.policy.default_policies import DefaultPolicy
from linkerd.policy.egress_networks import EgressPolicy, TrafficPolicy, judge_egress_network
from linkerd.policy.identities import Identity
from linkerd.policy.networks import Network, parse_block
from linkerd.policy.rate_limits import RateLimit, RateLimitOverride, judge_rate_limit
from linkerd.policy.servers import ProxyProtocol, ServerPolicy, judge_server
from tests.support.admission.cases import account, egress_network, rate_limit, reference, server

DOMAIN = IdentityDomain("mesh", "td.example")
JAM = Identity("jam.orchard.serviceaccount.identity.mesh.td.example")
UNKNOWN, DENY = ProxyProtocol.UNKNOWN, DefaultPolicy.DENY


def fields(faults: list[Any]) -> list[str]:
    return [fault.field for fault in faults]


@pytest.mark.parametrize(
    ("body", "policy"),
    [
        (server(), ServerPolicy(8080, UNKNOWN, DENY)),
        (server(port="web"), ServerPolicy("web", UNKNOWN, DENY)),
        (
            server(proxyProtocol="gRPC", accessPolicy="audit"),
            ServerPolicy(8080, ProxyProtocol.GRPC, DefaultPolicy.AUDIT),
        ),
    ],
)
def test_what_a_server_says(body: dict[str, Any], policy: ServerPolicy) -> None:
    assert judge_server(msgspec.convert(body, Server)) == (policy, [])


@pytest.mark.parametrize(
    ("spec", "policy", "faults"),
    [
        (
            {"proxyProtocol": "smtp", "accessPolicy": "all-unauthenticated"},
            ServerPolicy(8080, UNKNOWN, DefaultPolicy.ALL_UNAUTHENTICATED), ["spec.proxyProtocol"],
        ),
        ({"accessPolicy": "open"}, ServerPolicy(8080, UNKNOWN, DENY), ["spec.accessPolicy"]),
        ({"podSelector": None}, ServerPolicy(8080, UNKNOWN, DENY), ["spec.podSelector"]),
        ({"port": 0, "accessPolicy": "open"}, None, ["spec.port"]),
    ],
)  # fmt: skip
def test_a_server_keeps_its_port_and_denies(
    spec: dict[str, Any], policy: ServerPolicy | None, faults: list[str]
) -> None:
    found, wrong = judge_server(msgspec.convert(server(**spec), Server))
    assert (found, fields(wrong)) == (policy, faults)


def limited(body: dict[str, Any]) -> tuple[RateLimit | None, list[str]]:
    found, faults = judge_rate_limit(msgspec.convert(body, HTTPLocalRateLimitPolicy), DOMAIN)
    return found, fields(faults)


def test_i52_what_a_rate_limit_says() -> None:
    body = rate_limit(total=50, identity=5, overrides=[(9, [account()])])
    assert limited(body) == (RateLimit("web", 50, 5, (RateLimitOverride(9, (JAM,)),)), [])


@pytest.mark.parametrize(
    ("body", "limit", "faults"),
    [
        (rate_limit(total=0, identity=5), RateLimit("web", None, 5), ["spec.total"]),
        (rate_limit(total=5, identity=6), RateLimit("web", 5, 6), ["spec.identity"]),
        (rate_limit(total=2**32, identity=-1), RateLimit("web"), ["spec.total", "spec.identity"]),
        (
            rate_limit(overrides=[(0, [account()]), (9, [reference("Pod"), account()]), (9, [])]),
            RateLimit("web", overrides=(RateLimitOverride(9, (JAM,)),)),
            ["spec.overrides[0]", "spec.overrides[1].clientRefs[0].kind"],
        ),
        (rate_limit(reference("Pod"), total=5), None, ["spec.targetRef.kind"]),
        (rate_limit(reference("Server", "", "policy.linkerd.io")), None, ["spec.targetRef.name"]),
    ],
)
def test_a_rate_limit_keeps_what_can_be_read(
    body: dict[str, Any], limit: RateLimit | None, faults: list[str]
) -> None:
    found, wrong = limited(body)
    assert found == limit
    assert [each.removesuffix(".requestsPerSecond") for each in wrong] == faults


@pytest.mark.parametrize(
    ("body", "policy", "faults"),
    [
        (egress_network(), EgressPolicy(TrafficPolicy.DENY, None), []),
        (egress_network([]), EgressPolicy(TrafficPolicy.DENY, ()), ["spec.networks"]),
        (
            egress_network([{"cidr": "ten"}, {"cidr": "10.0.0.0/8", "except": ["x"]}], "Allow"),
            EgressPolicy(TrafficPolicy.ALLOW, (Network(parse_block("10.0.0.0/8")),)),
            ["spec.networks[0].cidr", "spec.networks[1].except[0]"],
        ),
        (
            egress_network(None, "Perhaps"), EgressPolicy(TrafficPolicy.DENY, None),
            ["spec.trafficPolicy"],
        ),
    ],
)  # fmt: skip
def test_an_egress_network_keeps_what_can_be_read(
    body: dict[str, Any], policy: EgressPolicy, faults: list[str]
) -> None:
    found, wrong = judge_egress_network(msgspec.convert(body, EgressNetwork))
    assert (found, fields(wrong)) == (policy, faults)
