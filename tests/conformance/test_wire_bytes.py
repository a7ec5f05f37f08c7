"""Messages as they are on the wire, encoded here by hand.

Field numbers and types could be wrong in the contract file and the stubs alike; these bytes follow
what a proxy in the field sends and understands.
"""

import ipaddress
import json
from types import ModuleType

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from linkerd.stubs.proxy import destination_pb2, inbound_pb2, net_pb2, outbound_pb2
from linkerd.stubs.viz import net_pb2 as viz_net_pb2

ADDRESS = "0a 05 0d 09004d0a10 903f"  # ip {ipv4: 10.77.0.9}, port 8080


def endpoint() -> destination_pb2.WeightedAddr:
    name = destination_pb2.TlsIdentity.DnsLikeIdentity(name="a.b")
    return destination_pb2.WeightedAddr(
        addr=net_pb2.TcpAddress(ip=net_pb2.IPAddress(ipv4=0x0A4D0009), port=8080),
        weight=10000,
        tls_identity=destination_pb2.TlsIdentity(dns_like_identity=name, server_name=name),
        protocol_hint=destination_pb2.ProtocolHint(
            h2=destination_pb2.ProtocolHint.H2(),
            opaque_transport=destination_pb2.ProtocolHint.OpaqueTransport(inbound_port=4143),
        ),
    )


ENDPOINT = (
    f"0a 0a {ADDRESS}"  # addr
    "18 904e"  # weight
    "2a 0e  0a05 0a03 612e62  2205 0a03 612e62"  # tls_identity: both names "a.b"
    "32 07  0a00  1203 08af20"  # protocol_hint: h2, inbound_port 4143
)

CASES: dict[str, tuple[Message, str]] = {
    "request": (
        destination_pb2.GetDestination(path="a:80", context_token="{}"),
        "12 04 613a3830  1a 02 7b7d",
    ),
    "add": (
        destination_pb2.Update(
            add=destination_pb2.WeightedAddrSet(
                addrs=[endpoint()], metric_labels={"service": "web"}
            )
        ),
        f"0a 3a  0a 28 {ENDPOINT}  12 0e 0a07 73657276696365 1203 776562",
    ),
    "remove": (
        destination_pb2.Update(remove=destination_pb2.AddrSet(addrs=[endpoint().addr])),
        f"12 0c  0a 0a {ADDRESS}",
    ),
    "no endpoints of something": (
        destination_pb2.Update(no_endpoints=destination_pb2.NoEndpoints(exists=True)),
        "1a 02 0801",
    ),
    "no endpoints of nothing": (
        destination_pb2.Update(no_endpoints=destination_pb2.NoEndpoints()),
        "1a 00",
    ),
    "gRPC retry conditions": (
        outbound_pb2.GrpcRoute.Retry.Conditions(deadine_exceeded=True, unavailable=True),
        "20 01  70 01",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bytes(case: str) -> None:
    message, encoded = CASES[case]
    assert message.SerializeToString(deterministic=True) == bytes.fromhex(encoded)
    assert type(message).FromString(bytes.fromhex(encoded)) == message


@pytest.mark.parametrize("module", [net_pb2, viz_net_pb2])
def test_ipv6_is_two_halves(module: ModuleType) -> None:
    number = int(ipaddress.IPv6Address("2001:db8::1"))
    message = module.IPAddress(
        ipv6=module.IPv6(first=number >> 64, last=number & 0xFFFF_FFFF_FFFF_FFFF)
    )
    encoded = "12 12  09 00000000b80d0120  11 0100000000000000"
    assert message.SerializeToString() == bytes.fromhex(encoded)


def test_unknown_fields_survive() -> None:
    newer = bytes.fromhex("12 02 613a  c83e 01")  # path "a:", field 1001
    assert destination_pb2.GetDestination.FromString(newer).SerializeToString() == newer


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (inbound_pb2.Authn(), '{"meshTLS": {"unauthenticated": {}}}'),
        (inbound_pb2.HttpLocalRateLimit.Limit(), '{"requestsPerSecond": 7}'),
        (outbound_pb2.GrpcRoute.Retry.Conditions(), '{"deadineExceeded": true}'),
        (outbound_pb2.HttpRoute.RouteBackend(), '{"requestTimeout": "1.500s"}'),
        (destination_pb2.DestinationProfile(), '{"fullyQualifiedName": "a.b"}'),
    ],
)
def test_json_names(message: Message, text: str) -> None:
    json_format.Parse(text, message)
    assert json.loads(json_format.MessageToJson(message)) == json.loads(text)
