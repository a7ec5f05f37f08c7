"""Joined messages equal what the protobuf library makes of the same."""

from hypothesis import given
from hypothesis import strategies as st

from linkerd.stubs.proxy import destination_pb2 as pb
from linkerd.wire.net import tcp_address
from linkerd.wire.splice import submessage
from services.destination.model.address import Address, Protocol, ProtocolHint, TlsIdentity
from services.destination.model.endpoints import EndpointSet, locality
from services.destination.model.http2 import Duration, Http2Params, KeepAlive
from services.destination.wire.addresses import AddressEncoder, removed
from services.destination.wire.endpoints import EndpointDeltas

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
    whole.remove.addrs.extend(tcp_address(address.ip, address.port) for address in addresses)
    assert submessage(2, *map(removed, addresses)) == whole.SerializeToString()
