"""Joined messages equal what the protobuf library makes of the same."""

from hypothesis import given
from hypothesis import strategies as st

from linkerd.stubs.proxy import destination_pb2 as pb
from linkerd.wire.splice import submessage
from services.destination.model.address import Address, Protocol, ProtocolHint, TlsIdentity
from services.destination.model.endpoints import EndpointSet, locality
from services.destination.model.http2 import Duration, Http2Params, KeepAlive
from services.destination.wire.addresses import AddressEncoder, removed, tcp_address
from services.destination.wire.endpoints import EndpointDeltas
from tests.support.proxy_rules import socket_of

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
LABELS = st.dictionaries(TEXT, TEXT, max_size=4).map(lambda labels: tuple(labels.items()))
IPS = st.ip_addresses().map(str)
IDENTITIES = st.builds(TlsIdentity, TEXT, TEXT, st.booleans())
HINTS = st.builds(ProtocolHint, st.sampled_from(Protocol), st.none() | st.integers(1, 65534))
ADDRESSES = st.builds(
    Address,
    ip=IPS,
    port=st.integers(1, 65535),
    labels=LABELS,
    identity=st.none() | IDENTITIES,
    hint=st.none() | HINTS,
    authority=TEXT,
    http2=st.booleans(),
    zone=st.sampled_from(["", "z1", "z2"]),
)
PARAMS = Http2Params(keep_alive=KeepAlive(Duration(10), Duration(3), while_idle=True))


@given(st.binary(max_size=70_000), st.integers(1, 15))
def test_a_field_of_any_length(body: bytes, number: int) -> None:
    encoded = submessage(number, body[: len(body) // 2], body[len(body) // 2 :])
    assert encoded[0] == number << 3 | 2
    assert encoded.endswith(body)
    text = pb.PathMatch(regex="x" * len(body)).SerializeToString()
    assert not body or submessage(1, b"x" * len(body)) == text


@given(st.lists(ADDRESSES, max_size=6), LABELS, st.sampled_from(["", "z1"]), st.booleans())
def test_an_add_is_what_the_library_makes(
    addresses: list[Address], labels: tuple[tuple[str, str], ...], zone: str, weights: bool
) -> None:
    encoder = AddressEncoder(PARAMS, zone_weights=weights)
    table = {address.socket: address for address in addresses}
    state = EndpointSet(table, labels, zone)
    messages = EndpointDeltas(encoder)(None, (state,))
    whole = pb.Update()
    if table:
        whole.add.addrs.extend(
            encoder.message(address, locality(zone, address)) for address in table.values()
        )
        whole.add.metric_labels.update(dict(labels))
    else:
        whole.no_endpoints.exists = True
    assert messages == (whole.SerializeToString(deterministic=True),)


@given(st.lists(ADDRESSES, min_size=1, max_size=6))
def test_a_remove_is_what_the_library_makes(addresses: list[Address]) -> None:
    whole = pb.Update()
    whole.remove.addrs.extend(map(tcp_address, addresses))
    assert submessage(2, *map(removed, addresses)) == whole.SerializeToString()


@given(IPS, st.integers(1, 65535))
def test_t198_addresses_come_back(ip: str, port: int) -> None:
    assert socket_of(tcp_address(Address(ip, port))) == (ip, port)


def test_t198_ipv6_goes_as_two_halves_and_a_mapped_one_stays_ipv6() -> None:
    ipv6 = tcp_address(Address("fd00::20", 1)).ip.ipv6
    assert (ipv6.first, ipv6.last) == (0xFD00 << 48, 0x20)
    assert tcp_address(Address("::ffff:1.2.3.4", 1)).ip.ipv6.last == 0xFFFF_0102_0304
    assert tcp_address(Address("1.2.3.4", 1)).ip.ipv4 == 0x0102_0304
