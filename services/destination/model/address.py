"""One endpoint, as a proxy has to know it.

The Structs here are outside the garbage collector (`gc=False`): they hold immutable values, and
bytes, so that no cycle comes through them, and of a huge service there are hundreds of thousands.
"""

from collections.abc import Set as AbstractSet
from enum import Enum
from typing import Final

import msgspec

from linkerd.mesh.addresses import Socket, is_ipv6

WorkloadKey = tuple[str, str]
"""Namespace and name of a pod."""

Labels = tuple[tuple[str, str], ...]
"""Metric labels, in a stable order."""

NO_HINTS: Final[AbstractSet[str]] = frozenset()


class Protocol(Enum):
    """What a client's proxy should speak to the endpoint's proxy."""

    DETECT = ""
    H2 = "h2"
    OPAQUE = "opaque"


class ProtocolHint(msgspec.Struct, frozen=True, gc=False):
    """Present for endpoints behind a proxy. `inbound_port`: connect there, with a transport header
    that names the real port."""

    protocol: Protocol = Protocol.DETECT
    inbound_port: int | None = None


class TlsIdentity(msgspec.Struct, frozen=True, gc=False):
    """The identity to ask of the endpoint: DNS-like, or a URI. An empty `server_name` is unset."""

    name: str
    server_name: str = ""
    is_uri: bool = False


class Address(msgspec.Struct, frozen=True, gc=False, eq=False):
    """An endpoint. `labels` lacks only what depends on who asks (the zone's locality). The fields
    after `zone` are for filters: whom its hints are for, which pod it is. `memo` is no part of what
    it is."""

    ip: str
    port: int
    labels: Labels = ()
    identity: TlsIdentity | None = None
    hint: ProtocolHint | None = None
    authority: str = ""
    http2: bool = False
    zone: str = ""
    zone_hints: AbstractSet[str] = NO_HINTS
    hostname: str = ""
    node: str = ""
    pod: WorkloadKey | None = None
    memo: dict[str, bytes] = {}
    """Room for what an encoder derived from this address, so that it is derived once; each has its
    own."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and (
            self is other
            or (
                self.socket == other.socket
                and self.looks_like(other)
                and self.zone_hints == other.zone_hints
                and self.hostname == other.hostname
                and self.node == other.node
                and self.pod == other.pod
            )
        )

    def __hash__(self) -> int:
        return hash(self.socket)

    def looks_like(self, other: "Address") -> bool:
        """Whether a proxy is told the same of both, which have one socket."""
        return self is other or (
            self.labels == other.labels
            and self.identity == other.identity
            and self.hint == other.hint
            and self.authority == other.authority
            and self.http2 == other.http2
            and self.zone == other.zone
        )

    @property
    def socket(self) -> Socket:
        """What identifies this endpoint, whichever pod, slice or family it comes from."""
        return self.ip, self.port

    @property
    def is_ipv6(self) -> bool:
        """Whether the IP is an IPv6 literal."""
        return is_ipv6(self.ip)
