"""One endpoint as a WeightedAddr."""

from typing import Final

from google.protobuf.duration_pb2 import Duration as PbDuration

from linkerd.stubs.proxy import destination_pb2 as pb
from linkerd.wire.net import tcp_address
from linkerd.wire.splice import submessage
from services.destination.model.address import Address, Protocol, ProtocolHint, TlsIdentity
from services.destination.model.endpoints import LOCAL
from services.destination.model.http2 import Duration, Http2Params

_WEIGHT: Final = 10_000
_LOCAL_WEIGHT: Final = 100_000
_ADDRS: Final = 1  # the field number, in WeightedAddrSet and in AddrSet


class AddressEncoder:
    """Encodes addresses as this process is configured to. One per process, because each address
    remembers its encoded forms."""

    def __init__(self, http2: Http2Params | None = None, *, zone_weights: bool = False) -> None:
        self._http2 = http2_message(http2) if http2 is not None else None
        self._zone_weights = zone_weights

    def listed(self, address: Address, where: str) -> bytes:
        """`address` as an item of a WeightedAddrSet, for those to whom its locality is `where`."""
        found = address.memo.get(where)
        if found is None:
            message = self.message(address, where).SerializeToString(deterministic=True)
            found = address.memo[where] = submessage(_ADDRS, message)
        return found

    def message(self, address: Address, where: str | None) -> pb.WeightedAddr:
        """`address` as a message; without a locality (None), no label tells it."""
        labels = dict(address.labels)
        if where is not None:
            labels["zone_locality"] = where
        return pb.WeightedAddr(
            addr=tcp_address(address.ip, address.port),
            weight=_LOCAL_WEIGHT if self._zone_weights and where == LOCAL else _WEIGHT,
            metric_labels=labels,
            tls_identity=_identity(address.identity) if address.identity else None,
            protocol_hint=_hint(address.hint) if address.hint else None,
            authority_override=_override(address.authority) if address.authority else None,
            http2=self._http2 if address.http2 else None,
        )


def removed(address: Address) -> bytes:
    """`address` as an item of an AddrSet."""
    return submessage(_ADDRS, tcp_address(address.ip, address.port).SerializeToString())


def http2_message(params: Http2Params) -> pb.Http2ClientParams:
    """The parameters as a message; what was not given stays unset."""
    message = pb.Http2ClientParams()
    if (flow := params.flow_control) is not None:
        message.flow_control.SetInParent()
        message.flow_control.initial_connection_window_size = flow.initial_connection_window_size
        message.flow_control.initial_stream_window_size = flow.initial_stream_window_size
        message.flow_control.adaptive_flow_control = flow.adaptive_flow_control
    if (alive := params.keep_alive) is not None:
        message.keep_alive.SetInParent()
        message.keep_alive.while_idle = alive.while_idle
        _set_duration(message.keep_alive.interval, alive.interval)
        _set_duration(message.keep_alive.timeout, alive.timeout)
    if (limits := params.internals) is not None:
        message.internals.SetInParent()
        message.internals.max_concurrent_reset_streams = limits.max_concurrent_reset_streams
        message.internals.max_frame_size = limits.max_frame_size
        message.internals.max_send_buf_size = limits.max_send_buf_size
    return message


def _set_duration(message: PbDuration, duration: Duration | None) -> None:
    if duration is not None:
        message.SetInParent()
        message.seconds = duration.seconds
        message.nanos = duration.nanos


def _identity(identity: TlsIdentity) -> pb.TlsIdentity:
    name = identity.server_name
    server_name = pb.TlsIdentity.DnsLikeIdentity(name=name) if name else None
    if identity.is_uri:
        uri = pb.TlsIdentity.UriLikeIdentity(uri=identity.name)
        return pb.TlsIdentity(uri_like_identity=uri, server_name=server_name)
    dns = pb.TlsIdentity.DnsLikeIdentity(name=identity.name)
    return pb.TlsIdentity(dns_like_identity=dns, server_name=server_name)


def _hint(hint: ProtocolHint) -> pb.ProtocolHint:
    message = pb.ProtocolHint()
    if hint.protocol is Protocol.H2:
        message.h2.SetInParent()
    elif hint.protocol is Protocol.OPAQUE:
        message.opaque.SetInParent()
    if hint.inbound_port is not None:
        message.opaque_transport.inbound_port = hint.inbound_port
    return message


def _override(authority: str) -> pb.AuthorityOverride:
    return pb.AuthorityOverride(authority_override=authority)
