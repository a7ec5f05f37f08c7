"""What a proxy makes of the Destination API's messages, and what it would rather not see.

`Endpoints` and `ProfileReader` follow a stream as a proxy does; whatever a proxy ignores, drops or
panics at, and whatever says nothing new, is a `RuleError`. Tests of anything that sends these
messages feed them through.
"""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from linkerd.stubs.proxy import destination_pb2 as pb
from linkerd.stubs.proxy import net_pb2
from tests.support.profile_rules import check_profile
from tests.support.rules import MAX_MESSAGE, RuleError, check_labels, is_proxy_name
from tests.support.rules import require as _require

__all__ = ["Endpoints", "ProfileReader", "RuleError", "Socket", "check_address", "socket_of"]

_MAX_PORT: Final = 65535
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+", re.ASCII)
_LOCALITIES: Final = {"local", "remote", "unknown"}

Socket = tuple[str, int]


@dataclass
class Endpoints:
    """A `Get` stream's reader: what a proxy would balance over after the messages so far."""

    known: dict[Socket, bytes] = field(default_factory=dict)
    told: dict[Socket, bytes] = field(default_factory=dict)
    """The same with the labels of their Adds, which a proxy joins with their own."""
    labels: dict[str, str] = field(default_factory=dict)  # of the last Add
    messages: int = 0  # of the stream that is open

    def reconnect(self) -> None:
        """Another stream begins; until it says something, what is known stays in use."""
        self.messages = 0

    def take(self, raw: bytes) -> pb.Update:
        """Applies a message. Raises RuleError."""
        _require(len(raw) <= MAX_MESSAGE, "a message is below 4 MiB")
        update = pb.Update.FromString(raw)
        match update.WhichOneof("update"):
            case "add":
                self._add(update.add)
            case "remove":
                self._remove(update.remove)
            case "no_endpoints":
                self._none(update.no_endpoints)
            case _:
                raise RuleError("an update says something")
        self.messages += 1
        return update

    def _add(self, add: pb.WeightedAddrSet) -> None:
        _require(add.addrs, "an Add is not empty")
        sockets = [check_address(item, listed=True) for item in add.addrs]
        _require(len(set(sockets)) == len(sockets), "an Add names each socket once")
        check_labels(add.metric_labels, "Add")
        if not self.messages:  # it replaces whatever an earlier stream told
            self.known.clear()
            self.told.clear()
        self.labels = dict(add.metric_labels)
        for socket, item in zip(sockets, add.addrs, strict=True):
            self.known[socket] = item.SerializeToString(deterministic=True)
            item.metric_labels.update(self.labels | dict(item.metric_labels))
            said = item.SerializeToString(deterministic=True)
            _require(self.told.get(socket) != said, "an Add says something new")
            self.told[socket] = said

    def _remove(self, remove: pb.AddrSet) -> None:
        _require(self.messages, "a Remove is never first")
        _require(remove.addrs, "a Remove is not empty")
        for item in remove.addrs:
            socket = socket_of(item)
            _require(socket in self.known, "a Remove names what is there")
            del self.known[socket]
            self.told.pop(socket, None)

    def _none(self, none: pb.NoEndpoints) -> None:
        _require(not self.messages, "emptiness is told to fresh streams; later, by a Remove")
        _require(none.exists, "exists is true")
        self.known.clear()
        self.told.clear()


@dataclass
class ProfileReader:
    """A `GetProfile` stream's reader."""

    last: bytes | None = None
    messages: int = 0  # of the stream that is open

    def reconnect(self) -> None:
        """Another stream begins; until it says something, the last profile stays in use."""
        self.messages = 0

    def take(self, raw: bytes) -> pb.DestinationProfile:
        """Takes a message. Raises RuleError."""
        _require(len(raw) <= MAX_MESSAGE, "a message is below 4 MiB")
        _require(not self.messages or raw != self.last, "a profile says something new")
        self.last = raw
        self.messages += 1
        profile = pb.DestinationProfile.FromString(raw)
        check_profile(profile)
        if profile.HasField("endpoint"):
            check_address(profile.endpoint, listed=False)
        return profile


def check_address(address: pb.WeightedAddr, *, listed: bool) -> Socket:
    """The socket. Raises RuleError if a proxy would ignore a part of `address`; `listed` means that
    it is one of a `Get` stream's."""
    _require(address.weight, "the weight is not 0")
    labels = address.metric_labels
    check_labels(labels, "address")
    locality = labels.get("zone_locality")
    _require((locality in _LOCALITIES) if listed else locality is None, "locality is for Get")
    if address.HasField("tls_identity"):
        _check_identity(address.tls_identity)
    if address.HasField("protocol_hint") and address.protocol_hint.HasField("opaque_transport"):
        port = address.protocol_hint.opaque_transport.inbound_port
        _require(0 < port < _MAX_PORT, "an inbound port is 1 to 65534")
    if address.HasField("authority_override"):
        _check_authority(address.authority_override.authority_override)
    return socket_of(address.addr)


def _check_authority(authority: str) -> None:
    """A gateway finds the service by it."""
    host, _, port = authority.rpartition(":")
    _require(is_proxy_name(host), "an authority has the name of a service")
    _require(port.isascii() and port.isdigit() and int(port) <= _MAX_PORT, "and a port")


def _check_identity(identity: pb.TlsIdentity) -> None:
    """Of one that it cannot read a proxy thinks that there is none, and speaks plain text."""
    strategy = identity.WhichOneof("strategy")
    _require(strategy, "an identity has a strategy")
    if strategy == "dns_like_identity":
        _require(is_proxy_name(identity.dns_like_identity.name), "an identity is a DNS name")
    else:
        uri = identity.uri_like_identity.uri
        _require(_URI.fullmatch(uri) and urlsplit(uri).scheme, "an identity is a URI")
        _require(identity.HasField("server_name"), "a URI identity has a server name")
    if identity.HasField("server_name"):
        _require(is_proxy_name(identity.server_name.name), "a server name is a DNS name")


def socket_of(address: net_pb2.TcpAddress) -> Socket:
    """IP and port of an address. Raises RuleError."""
    _require(0 < address.port <= _MAX_PORT, "a port is 1 to 65535")
    kind = address.ip.WhichOneof("ip")
    _require(kind, "an address has an IP")
    if kind == "ipv4":
        return str(ipaddress.IPv4Address(address.ip.ipv4)), address.port
    packed = address.ip.ipv6.first << 64 | address.ip.ipv6.last
    return str(ipaddress.IPv6Address(packed)), address.port
