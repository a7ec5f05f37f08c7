"""The reader of inbound policies knows what proxies refuse: each of these breaks one rule."""

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import json_format

from linkerd.stubs.proxy import inbound_pb2 as pb
from tests.support.policy.readers import ServerReader
from tests.support.rules import RuleError

LABELS = {"group": "", "kind": "default", "name": "all-unauthenticated"}
ANYONE = {
    "networks": [{"net": {"ip": {"ipv4": 0}}}, {"net": {"ip": {"ipv6": {}}}}],
    "authentication": {"unauthenticated": {}},
    "labels": LABELS,
    "metadata": {"default": "all-unauthenticated"},
}
NAMED = {
    "networks": [
        {
            "net": {"ip": {"ipv4": 0x0A000000}, "prefixLen": 8},
            "except": [{"ip": {"ipv4": 0x0A010000}, "prefixLen": 16}],
        }
    ],
    "authentication": {
        "meshTLS": {
            "identities": {
                "identities": [{"name": "a.b.test"}, {"name": "spiffe://td.test/ns/a"}],
                "suffixes": [{"parts": []}, {"parts": ["b", "test"]}],
            }
        }
    },
    "labels": {"group": "policy.linkerd.io", "kind": "authorizationpolicy", "name": "a"},
    "metadata": {
        "resource": {"group": "policy.linkerd.io", "kind": "authorizationpolicy", "name": "a"}
    },
}
LIMIT = {
    "metadata": {"resource": {"group": "policy.linkerd.io", "kind": "R", "name": "l"}},
    "total": {"requestsPerSecond": 50},
    "identity": {"requestsPerSecond": 5},
    "overrides": [
        {"limit": {"requestsPerSecond": 9}, "clients": {"identities": [{"name": "a.test"}]}}
    ],
}
ROUTE = {
    "metadata": {"resource": {"group": "policy.linkerd.io", "kind": "HTTPRoute", "name": "r"}},
    "hosts": [{"exact": "a.test"}, {"exact": "10.0.0.1"}],
    "authorizations": [ANYONE],
    "rules": [
        {
            "matches": [{"path": {"exact": "/a"}}],
            "filters": [{"redirect": {"status": 301}}, {"requestHeaderModifier": {}}],
        }
    ],
}
CALLS = {
    "metadata": {"default": "default"},
    "rules": [
        {
            "matches": [{"rpc": {}}],
            "filters": [{"failureInjector": {"code": 7, "message": "no"}}],
        }
    ],
}
GOOD: dict[str, Any] = {
    "detect": {"timeout": "10s", "httpRoutes": [ROUTE], "httpLocalRateLimit": LIMIT},
    "opaque": {},
    "tls": {},
    "http1": {"routes": [ROUTE], "localRateLimit": LIMIT},
    "http2": {"routes": [ROUTE]},
    "grpc": {"routes": [CALLS]},
}


def server(kind: str) -> pb.Server:
    said = {"protocol": {kind: GOOD[kind]}, "authorizations": [ANYONE, NAMED], "labels": LABELS}
    return json_format.ParseDict(said, pb.Server())


@pytest.mark.parametrize("kind", GOOD)
def test_good_servers_of_every_protocol(kind: str) -> None:
    ServerReader().take(server(kind).SerializeToString())


def test_denying_all_is_a_policy() -> None:
    denying = server("opaque")
    denying.ClearField("authorizations")
    ServerReader().take(denying.SerializeToString())


Spoil = Callable[[pb.Server], object]


def authz(number: int, spoil: Callable[[Any], object]) -> Spoil:
    return lambda item: spoil(item.authorizations[number])


def limit(spoil: Callable[[Any], object]) -> Spoil:
    return lambda item: spoil(item.protocol.detect.http_local_rate_limit)


def route(spoil: Callable[[Any], object]) -> Spoil:
    return lambda item: spoil(item.protocol.detect.http_routes[0])


def clients(item: Any) -> Any:
    return item.authentication.meshTLS


def identity(name: str) -> Callable[[Any], object]:
    return lambda item: setattr(clients(item).identities.identities[0], "name", name)


BAD: list[tuple[str, Spoil]] = [
    ("a server has a protocol", lambda item: item.ClearField("protocol")),
    ("a protocol has a kind", lambda item: item.protocol.Clear()),
    ("detect has timeout", lambda item: item.protocol.detect.ClearField("timeout")),
    ("detection takes a while", lambda item: item.protocol.detect.timeout.Clear()),
    ("group, kind and name", lambda item: item.labels.pop("name")),
    ("labels have values", lambda item: item.labels.update(name="")),
    ("only defaults have no group", lambda item: item.labels.update(kind="server")),
    ("neither quotes", lambda item: item.labels.update(name='a"')),
    ("has networks", authz(0, lambda item: item.ClearField("networks"))),
    ("has a net", authz(0, lambda item: item.networks[0].ClearField("net"))),
    ("has an IP", authz(0, lambda item: item.networks[0].net.ip.Clear())),
    ("a prefix fits", authz(0, lambda item: setattr(item.networks[0].net, "prefix_len", 33))),
    ("a prefix fits", authz(0, lambda item: setattr(item.networks[1].net, "prefix_len", 129))),
    (
        "a prefix fits",
        authz(1, lambda item: setattr(getattr(item.networks[0], "except")[0], "prefix_len", 33)),
    ),
    ("metadata has a kind", authz(0, lambda item: item.metadata.Clear())),
    ("labels are those", authz(0, lambda item: item.labels.update(name="deny"))),
    ("labels are those", authz(1, lambda item: item.labels.update(name="b"))),
    ("permits something", authz(0, lambda item: item.ClearField("authentication"))),
    ("says which clients", authz(1, lambda item: clients(item).Clear())),
    ("some client is named", authz(1, lambda item: clients(item).identities.Clear())),
    (
        "parts of a suffix",
        authz(1, lambda item: clients(item).identities.suffixes[1].parts.append("")),
    ),
    *[
        ("a DNS name or a SPIFFE id", authz(1, identity(name)))
        for name in ("", "a b", "spiffe://", "spiffe://td/a//b", "*.a")
    ],
    ("metadata has a kind", limit(lambda item: item.ClearField("metadata"))),
    ("some request pass", limit(lambda item: item.total.Clear())),
    ("some request pass", limit(lambda item: item.overrides[0].limit.Clear())),
    ("has a limit", limit(lambda item: item.overrides[0].ClearField("limit"))),
    ("for somebody", limit(lambda item: item.overrides[0].clients.Clear())),
    ("a SPIFFE id", limit(lambda item: item.overrides[0].clients.identities[0].Clear())),
    ("metadata has a kind", route(lambda item: item.ClearField("metadata"))),
    ("has a name", route(lambda item: item.metadata.resource.ClearField("name"))),
    ("a host match", route(lambda item: item.hosts[0].Clear())),
    ("has networks", route(lambda item: item.authorizations[0].ClearField("networks"))),
    ("begins with a slash", route(lambda i: setattr(i.rules[0].matches[0].path, "exact", "a"))),
    ("a filter has a kind", route(lambda item: item.rules[0].filters[0].Clear())),
    (
        "a redirect's status",
        route(lambda item: item.rules[0].filters[0].redirect.ClearField("status")),
    ),
]


@pytest.mark.parametrize(("problem", "spoil"), BAD)
def test_servers_that_break_a_rule(problem: str, spoil: Spoil) -> None:
    spoiled = server("detect")
    spoil(spoiled)
    with pytest.raises(RuleError, match=problem):
        ServerReader().take(spoiled.SerializeToString())


def spoil_call(item: pb.Server, spoil: Callable[[Any], object]) -> None:
    spoil(item.protocol.grpc.routes[0].rules[0])


@pytest.mark.parametrize(
    ("problem", "spoil"),
    [
        ("a gRPC match has rpc", lambda rule: rule.matches[0].ClearField("rpc")),
        ("one of gRPC's", lambda rule: setattr(rule.filters[0].failure_injector, "code", 500)),
        ("a filter has a kind", lambda rule: rule.filters[0].Clear()),
    ],
)
def test_grpc_servers_that_break_a_rule(problem: str, spoil: Callable[[Any], object]) -> None:
    spoiled = server("grpc")
    spoil_call(spoiled, spoil)
    with pytest.raises(RuleError, match=problem):
        ServerReader().take(spoiled.SerializeToString())


def test_a_server_is_told_again_only_to_another_stream() -> None:
    reader, raw = ServerReader(), server("tls").SerializeToString()
    reader.take(raw)
    with pytest.raises(RuleError, match="something new"):
        reader.take(raw)
    reader.reconnect()
    reader.take(raw)
