"""What proxies ask of the ports that they accept connections on.

Which status a request ends with decides what a proxy does: after INVALID_ARGUMENT it never asks
again, so only requests that can never be answered get it.
"""

from typing import Final

import grpc

from linkerd.mesh.ports import MAX_PORT
from linkerd.mesh.workload_token import WorkloadTokenError, parse_workload
from linkerd.rpc.first import first
from linkerd.rpc.methods import Call, Errors, ServiceTable, service
from linkerd.streams import Subscription
from linkerd.stubs.proxy import inbound_pb2 as pb
from services.policy.index.inbound.errors import UnknownWorkloadError
from services.policy.index.index import PolicyIndex


class PortError(ValueError):
    """A port that cannot be. The message goes to the client."""


_ERRORS: Final[Errors] = {
    WorkloadTokenError: grpc.StatusCode.INVALID_ARGUMENT,
    PortError: grpc.StatusCode.INVALID_ARGUMENT,
    UnknownWorkloadError: grpc.StatusCode.NOT_FOUND,
}


class InboundServerPolicies:
    """The methods. The caches that `index` is made of must have synced before the first call."""

    def __init__(self, index: PolicyIndex) -> None:
        self._index = index

    def table(self) -> ServiceTable:
        """What an engine serves."""
        descriptor = pb.DESCRIPTOR.services_by_name["InboundServerPolicies"]
        return service(
            descriptor,
            errors=_ERRORS,
            GetPort=first(self.watch_port),
            WatchPort=self.watch_port,
        )

    async def watch_port(self, request: pb.PortSpec, _call: Call) -> Subscription:
        """How a port of a workload is to treat its clients."""
        token = parse_workload(request.workload)
        if not 0 < request.port <= MAX_PORT:
            raise PortError(f"port: {request.port} is none: 1 to {MAX_PORT}")
        return self._index.watch_port(token, request.port)
