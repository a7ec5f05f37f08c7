"""One endpoint, as a proxy has to know it."""

from dataclasses import dataclass, field
from enum import Enum

from linkerd.mesh.addresses import Socket, is_ipv6

WorkloadKey = tuple[str, str]
"""Namespace and name of a pod."""

Labels = tuple[tuple[str, str], ...]
"""Metric labels, in a stable order."""


class Protocol(Enum):
    """What a client's proxy should speak to the endpoint's proxy."""

    DETECT = ""
    H2 = "h2"
    OPAQUE = "opaque"


@dataclass(frozen=True, slots=True)
class ProtocolHint:
    """Present for endpoints behind a proxy. `inbound_port`: connect there, with a transport header
    that names the real port."""

    protocol: Protocol = Protocol.DETECT
    inbound_port: int | None = None


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    """The identity to ask of the endpoint: DNS-like, or a URI. An empty `server_name` is unset."""

    name: str
    server_name: str = ""
    is_uri: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """An endpoint. `labels` lacks only what depends on who asks (the zone's locality). The fields
    after `zone` are for filters: whom its hints are for, which pod it is."""

    ip: str
    port: int
    labels: Labels = ()
    identity: TlsIdentity | None = None
    hint: ProtocolHint | None = None
    authority: str = ""
    http2: bool = False
    zone: str = ""
    zone_hints: frozenset[str] = frozenset()
    hostname: str = ""
    node: str = ""
    pod: WorkloadKey | None = None
    memo: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False)
    """Room for what an encoder derived from this address, so that it is derived once."""

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
