"""What proxies ask of the traffic that their applications send.

Which status a request ends with decides what a proxy does: INVALID_ARGUMENT fails the connection
for good, so only requests that can never be answered get it; with NOT_FOUND a proxy goes by what
else it knows of the address, which for pods is right.
"""

from typing import Final

import grpc

from linkerd.mesh.addresses import embedded_ipv4
from linkerd.mesh.authority import AuthorityError
from linkerd.mesh.ports import MAX_PORT
from linkerd.mesh.workload_token import WorkloadTokenError, parse_workload
from linkerd.rpc.first import first
from linkerd.rpc.methods import Call, Errors, ServiceTable, service
from linkerd.streams import Subscription
from linkerd.stubs.proxy import net_pb2
from linkerd.stubs.proxy import outbound_pb2 as pb
from linkerd.wire.net import ip_text
from services.policy.index.index import PolicyIndex
from services.policy.index.outbound.authorities import parse_service
from services.policy.index.outbound.errors import UnknownTargetError


class TargetError(ValueError):
    """A target that cannot be. The message goes to the client."""


_ERRORS: Final[Errors] = {
    WorkloadTokenError: grpc.StatusCode.INVALID_ARGUMENT,
    TargetError: grpc.StatusCode.INVALID_ARGUMENT,
    AuthorityError: grpc.StatusCode.INVALID_ARGUMENT,
    UnknownTargetError: grpc.StatusCode.NOT_FOUND,
}


class OutboundPolicies:
    """The methods. The caches that `index` is made of must have synced before the first call."""

    def __init__(self, index: PolicyIndex) -> None:
        self._index = index

    def table(self) -> ServiceTable:
        """What an engine serves."""
        descriptor = pb.DESCRIPTOR.services_by_name["OutboundPolicies"]
        return service(descriptor, errors=_ERRORS, Get=first(self.watch), Watch=self.watch)

    async def watch(self, request: pb.TrafficSpec, _call: Call) -> Subscription:
        """How traffic to an address, or to a Service by its name, is to be treated."""
        source = parse_workload(request.source_workload).namespace
        match request.WhichOneof("target"):
            case "addr":
                return self._index.watch_address(source, *_socket(request.addr))
            case "authority":
                service, port = parse_service(request.authority)
                return self._index.watch_service(source, service, port)
        raise TargetError("target: is required, as addr or authority")


def _socket(address: net_pb2.TcpAddress) -> tuple[str, int]:
    if not address.ip.WhichOneof("ip"):
        raise TargetError("addr: has no IP")
    if not 0 < address.port <= MAX_PORT:
        raise TargetError(f"addr: port {address.port} is none: 1 to {MAX_PORT}")
    return embedded_ipv4(ip_text(address.ip)), address.port
