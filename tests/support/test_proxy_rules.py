"""The readers of the tests know what proxies drop: each of these messages breaks one rule."""

from collections.abc import Callable
from typing import Any

import pytest

from linkerd.stubs.proxy import destination_pb2 as pb
from linkerd.stubs.proxy import net_pb2
from tests.support.proxy_rules import Endpoints, ProfileReader, RuleError


def address(last: int = 1, port: int = 8080) -> pb.WeightedAddr:
    where = net_pb2.TcpAddress(ip=net_pb2.IPAddress(ipv4=0x0A040000 + last), port=port)
    good = pb.WeightedAddr(addr=where, weight=1, metric_labels={"zone_locality": "local"})
    good.tls_identity.dns_like_identity.name = "a.test"
    good.protocol_hint.opaque_transport.inbound_port = 4143
    good.authority_override.authority_override = "a.test:80"
    return good


def add(*addresses: pb.WeightedAddr, **labels: str) -> bytes:
    return pb.Update(
        add=pb.WeightedAddrSet(addrs=addresses, metric_labels=labels)
    ).SerializeToString()


def remove(last: int) -> bytes:
    return pb.Update(remove=pb.AddrSet(addrs=[address(last).addr])).SerializeToString()


NONE = pb.Update(no_endpoints=pb.NoEndpoints(exists=True)).SerializeToString()
ABSENT = pb.Update(no_endpoints=pb.NoEndpoints()).SerializeToString()


def spoiled(change: Callable[[pb.WeightedAddr], object]) -> bytes:
    item = address()
    change(item)
    return add(item)


def uri(item: pb.WeightedAddr, text: str, server_name: str | None = "a.test") -> None:
    item.tls_identity.uri_like_identity.uri = text
    if server_name is not None:
        item.tls_identity.server_name.name = server_name


def label(name: str, value: str) -> Callable[[pb.WeightedAddr], object]:
    return lambda item: item.metric_labels.update({name: value})


def dns(name: str) -> Callable[[pb.WeightedAddr], object]:
    return lambda item: setattr(item.tls_identity.dns_like_identity, "name", name)


BAD: list[tuple[str, list[bytes]]] = [
    ("an update says something", [b""]),
    ("an Add is not empty", [add()]),
    ("each socket once", [add(address(), address())]),
    ("says something new", [add(address()), add(address())]),
    ("never first", [remove(1)]),
    ("names what is there", [add(address(1)), remove(2)]),
    ("fresh streams", [add(address()), NONE]),
    ("exists is true", [ABSENT]),
    ("below 4 MiB", [add(address(), pod="x" * (4 << 20))]),
    ("name for metrics", [add(address(), **{"a-b": "c"})]),
    ("neither quotes", [add(address(), pod='a"b')]),
    ("name for metrics", [spoiled(label("", "a"))]),
    ("neither quotes", [spoiled(label("pod", "a\n"))]),
    ("locality is for Get", [spoiled(label("zone_locality", "here"))]),
    ("weight is not 0", [spoiled(lambda item: item.ClearField("weight"))]),
    ("a port is 1 to 65535", [add(address(port=0))]),
    ("a port is 1 to 65535", [add(address(port=65536))]),
    ("has an IP", [spoiled(lambda item: item.addr.ClearField("ip"))]),
    (
        "inbound port is",
        [spoiled(lambda item: setattr(item.protocol_hint.opaque_transport, "inbound_port", 65535))],
    ),
    ("has a strategy", [spoiled(lambda item: item.tls_identity.ClearField("dns_like_identity"))]),
    *[("is a DNS name", [spoiled(dns(name))]) for name in ("", "a b", "10.0.0.1", "a.", "a" * 64)],
    ("is a URI", [spoiled(lambda item: uri(item, "m"))]),
    ("has a server name", [spoiled(lambda item: uri(item, "spiffe://a/b", None))]),
    ("server name is a DNS name", [spoiled(lambda item: uri(item, "spiffe://a/b", "a b"))]),
    (
        "name of a service",
        [
            spoiled(
                lambda item: item.authority_override.MergeFrom(
                    pb.AuthorityOverride(authority_override="a b:80")
                )
            )
        ],
    ),
    (
        "and a port",
        [
            spoiled(
                lambda item: item.authority_override.MergeFrom(
                    pb.AuthorityOverride(authority_override="a:http")
                )
            )
        ],
    ),
]


@pytest.mark.parametrize(("rule", "messages"), BAD)
def test_updates_that_break_a_rule(rule: str, messages: list[bytes]) -> None:
    reader = Endpoints()
    for message in messages[:-1]:
        reader.take(message)
    with pytest.raises(RuleError, match=rule):
        reader.take(messages[-1])


def test_a_first_add_replaces_what_an_earlier_stream_told() -> None:
    reader = Endpoints()
    reader.take(add(address(1), address(2)))
    reader.reconnect()
    assert len(reader.known) == 2
    reader.take(add(address(2)))
    assert len(reader.known) == 1
    reader.reconnect()
    reader.take(NONE)
    assert not reader.known


def profile(**fields: Any) -> pb.DestinationProfile:
    return pb.DestinationProfile(**fields)


def route(**match: Any) -> pb.DestinationProfile:
    return profile(routes=[pb.Route(condition=pb.RequestMatch(**match))])


def response(**match: Any) -> pb.DestinationProfile:
    item = pb.ResponseClass(condition=pb.ResponseMatch(**match))
    condition = pb.RequestMatch(path=pb.PathMatch(regex="/"))
    return profile(routes=[pb.Route(condition=condition, response_classes=[item])])


def budget(seconds: int, **fields: Any) -> pb.DestinationProfile:
    made = profile(retry_budget=pb.RetryBudget(**fields))
    made.retry_budget.ttl.seconds = seconds
    return made


def unregistered(name: str) -> pb.DestinationProfile:
    made = route(method={})
    made.routes[0].condition.method.unregistered = name
    return made


def targets(*authorities: str, weight: int = 1) -> pb.DestinationProfile:
    items = [pb.WeightedDst(authority=authority, weight=weight) for authority in authorities]
    return profile(dst_overrides=items)


BAD_PROFILES: list[tuple[str, pb.DestinationProfile]] = [
    ("the name is a DNS name", profile(fully_qualified_name="a b")),
    ("ttl is", budget(0)),
    ("ttl is", budget(61)),
    ("ratio is", budget(1, retry_ratio=-1)),
    ("least retries", budget(1, min_retries_per_second=1 << 31)),
    ("has a condition", profile(routes=[pb.Route()])),
    ("match says something", route()),
    ("expression is not empty", route(path=pb.PathMatch())),
    ("expression compiles", route(path=pb.PathMatch(regex="/a("))),
    ("expression compiles", route(path=pb.PathMatch(regex="/{id}"))),
    ("method has a type", route(method={})),
    ("method is a token", unregistered("a b")),
    ("members", response(all=pb.ResponseMatch.Seq())),
    ("three digits", response(status=pb.HttpStatusRange(max=599))),
    ("not empty", response(status=pb.HttpStatusRange(min=599, max=500))),
    ("match says something", response()),
    ("target has a port", targets("a")),
    ("target is a DNS name", targets("a b:80")),
    ("target has a port", targets("a:http")),
    ("weights fit", targets("a:1", "b:1", weight=(1 << 32) - 1)),
]


@pytest.mark.parametrize(("rule", "message"), BAD_PROFILES)
def test_profiles_that_break_a_rule(rule: str, message: pb.DestinationProfile) -> None:
    with pytest.raises(RuleError, match=rule):
        ProfileReader().take(message.SerializeToString())


def test_a_profile_is_told_again_only_to_another_stream() -> None:
    reader, raw = ProfileReader(), profile(opaque_protocol=True).SerializeToString()
    reader.take(raw)
    with pytest.raises(RuleError, match="something new"):
        reader.take(raw)
    reader.reconnect()
    reader.take(raw)
