"""Servers: ports of workloads, their protocol and what they allow by themselves."""

from dataclasses import dataclass
from enum import StrEnum

from linkerd.policy.default_policies import DefaultPolicy


class ProxyProtocol(StrEnum):
    """What proxies take the bytes of a port for."""

    UNKNOWN = "unknown"
    """They look at the bytes."""
    HTTP_1 = "HTTP/1"
    HTTP_2 = "HTTP/2"
    GRPC = "gRPC"
    OPAQUE = "opaque"
    TLS = "TLS"


@dataclass(frozen=True, slots=True)
class ServerPolicy:
    """What a Server says of the workloads that it selects. `port` is a number or a port's name."""

    port: int | str
    protocol: ProxyProtocol
    access: DefaultPolicy
