"""Addresses as messages."""

from linkerd.stubs.proxy import destination_pb2 as pb
from services.destination.model.address import Address, Protocol, ProtocolHint, TlsIdentity
from services.destination.model.endpoints import locality
from services.destination.model.http2 import parse_http2_params
from services.destination.wire.addresses import AddressEncoder

PARAMS = parse_http2_params(
    '{"flow_control":{"initial_connection_window_size":1,"initial_stream_window_size":2},'
    '"keep_alive":{"interval":{"seconds":7,"nanos":5},"timeout":{"seconds":3},"while_idle":true},'
    '"internals":{"max_concurrent_reset_streams":4,"max_frame_size":5,"max_send_buf_size":6}}'
)


def message(address: Address, where: str | None = "unknown") -> pb.WeightedAddr:
    return AddressEncoder(PARAMS).message(address, where)


def test_t6_http2_params_field_by_field() -> None:
    http2 = message(Address("10.4.0.1", 1, http2=True)).http2
    assert http2.flow_control.initial_connection_window_size == 1
    assert http2.flow_control.initial_stream_window_size == 2
    assert (http2.keep_alive.interval.seconds, http2.keep_alive.interval.nanos) == (7, 5)
    assert http2.keep_alive.timeout.seconds == 3
    assert http2.keep_alive.while_idle
    assert http2.internals.max_concurrent_reset_streams == 4
    assert http2.internals.max_frame_size == 5
    assert http2.internals.max_send_buf_size == 6


def test_t7_no_http2_params_for_unmeshed_addresses() -> None:
    assert not message(Address("10.4.0.1", 1)).HasField("http2")
    unset = AddressEncoder().message(Address("10.4.0.1", 1, http2=True), None)
    assert not unset.HasField("http2")


def test_t54_t55_a_gateway() -> None:
    identity = TlsIdentity("gw.edge.trust.mesh.test")
    gateway = Address(
        "192.0.2.1",
        4143,
        identity=identity,
        hint=ProtocolHint(Protocol.H2),
        authority="ledger.fin.svc.north.test:80",
    )
    said = message(gateway)
    assert said.tls_identity.dns_like_identity.name == "gw.edge.trust.mesh.test"
    assert not said.tls_identity.HasField("server_name")
    assert said.protocol_hint.WhichOneof("protocol") == "h2"
    assert said.authority_override.authority_override == "ledger.fin.svc.north.test:80"


def test_t66_a_uri_identity_has_its_server_name() -> None:
    identity = TlsIdentity("spiffe://trust.mesh.test/metal-1", "metal-1.mesh.test", is_uri=True)
    said = message(Address("192.0.2.1", 1, identity=identity)).tls_identity
    assert said.uri_like_identity.uri == "spiffe://trust.mesh.test/metal-1"
    assert said.server_name.name == "metal-1.mesh.test"


def test_a_hint_may_have_no_protocol() -> None:
    said = message(Address("10.4.0.1", 1, hint=ProtocolHint()))
    assert said.HasField("protocol_hint")
    assert said.protocol_hint.WhichOneof("protocol") is None
    assert not said.protocol_hint.HasField("opaque_transport")
    opaque = message(Address("10.4.0.1", 1, hint=ProtocolHint(Protocol.OPAQUE, 4143)))
    assert opaque.protocol_hint.WhichOneof("protocol") == "opaque"
    assert opaque.protocol_hint.opaque_transport.inbound_port == 4143


def test_locality() -> None:
    address = Address("10.4.0.1", 1, zone="z1")
    assert [locality(zone, address) for zone in ("z1", "z2", "")] == ["local", "remote", "unknown"]
    assert locality("z1", Address("10.4.0.1", 1)) == "unknown"
