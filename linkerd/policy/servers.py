"""Servers: ports of workloads, their protocol and what they allow by themselves."""

from dataclasses import dataclass
from enum import StrEnum

from linkerd.kube.objects import Server
from linkerd.mesh.ports import MAX_PORT
from linkerd.policy.default_policies import DefaultPolicy, parse_default_policy
from linkerd.policy.errors import PolicyError, shown


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


def judge_server(server: Server) -> tuple[ServerPolicy | None, list[PolicyError]]:
    """What a Server says, and its faults.

    A port that cannot be leaves nothing. Any other fault must not open what the Server closes: a
    protocol that is none is looked for in the bytes, an access policy that is none denies.
    """
    faults: list[PolicyError] = []
    spec = server.spec
    if not _is_port(spec.port):
        what = shown(spec.port) if isinstance(spec.port, str) else spec.port
        problem = f"{what} is no port: write a number from 1 to {MAX_PORT}, or a port's name"
        return None, [PolicyError("spec.port", problem)]
    if spec.pod_selector is None and spec.external_workload_selector is None:
        problem = "must be there, or spec.externalWorkloadSelector: the Server selects nothing"
        faults.append(PolicyError("spec.podSelector", problem))
    protocol, access = ProxyProtocol.UNKNOWN, DefaultPolicy.DENY
    try:
        protocol = ProxyProtocol(spec.proxy_protocol)
    except ValueError:
        problem = f"{shown(spec.proxy_protocol)} is none of {', '.join(ProxyProtocol)}"
        faults.append(PolicyError("spec.proxyProtocol", problem))
    try:
        if spec.access_policy is not None:
            access = parse_default_policy(spec.access_policy)
    except ValueError as error:
        faults.append(PolicyError("spec.accessPolicy", str(error)))
    return ServerPolicy(spec.port, protocol, access), faults


def _is_port(port: int | str) -> bool:
    return bool(port) if isinstance(port, str) else 0 < port <= MAX_PORT
