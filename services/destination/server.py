"""The Destination API: requests in, subscriptions out.

Which status a request ends with decides what a proxy does: INVALID_ARGUMENT and FAILED_PRECONDITION
are final, so only requests that can never be answered get them; everything else is asked again with
growing pauses.
"""

from typing import Final

import grpc

from linkerd.kube.objects import Key
from linkerd.mesh.authority import (
    AuthorityError,
    IpTarget,
    Target,
    parse_authority,
)
from linkerd.mesh.context_token import ContextToken, parse_context
from linkerd.rpc.methods import Call, Errors, ServiceTable, service
from linkerd.runtime.logs import get_logger
from linkerd.streams import Subscription
from linkerd.stubs.proxy import destination_pb2 as pb
from services.destination.index import (
    AmbiguousIpError,
    Index,
    MislabelledError,
    NotFoundError,
    NotReadError,
    NotServableError,
    TooManyPortsError,
)
from services.destination.index.audiences import Audience

_log = get_logger(__name__)

_ERRORS: Final[Errors] = {
    AuthorityError: grpc.StatusCode.INVALID_ARGUMENT,
    NotFoundError: grpc.StatusCode.NOT_FOUND,
    MislabelledError: grpc.StatusCode.FAILED_PRECONDITION,
    NotReadError: grpc.StatusCode.UNAVAILABLE,
    NotServableError: grpc.StatusCode.INVALID_ARGUMENT,
    TooManyPortsError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    AmbiguousIpError: grpc.StatusCode.UNAVAILABLE,
}


class Destination:
    """The methods. The caches that `index` is made of must have synced before the first call."""

    def __init__(self, index: Index, cluster_domain: str) -> None:
        self._index = index
        self._cluster_domain = cluster_domain

    def table(self) -> ServiceTable:
        """What an engine serves."""
        descriptor = pb.DESCRIPTOR.services_by_name["Destination"]
        return service(descriptor, errors=_ERRORS, Get=self.get, GetProfile=self.get_profile)

    async def get(self, request: pb.GetDestination, _call: Call) -> Subscription:
        """The endpoints of a service's port, for a client where the context token says."""
        target = self._target(request)
        if isinstance(target, IpTarget):
            raise AuthorityError(f'path: "{target.ip}" is an IP; Get takes the name of a service')
        audience = Audience(target.hostname, _context(request).node)
        key = Key(target.namespace, target.service)
        return self._index.watch_endpoints(key, target.port, audience)

    async def get_profile(self, request: pb.GetDestination, _call: Call) -> Subscription:
        """How traffic to a service, a pod of it, or an IP is to be treated."""
        target = self._target(request)
        client = _context(request).namespace
        if isinstance(target, IpTarget):
            return self._index.watch_socket(target.ip, target.port, client)
        key = Key(target.namespace, target.service)
        if target.hostname:
            return self._index.watch_instance(key, target.hostname, target.port)
        return self._index.watch_service(key, target.port, client)

    def _target(self, request: pb.GetDestination) -> Target:
        try:
            return parse_authority(request.path, self._cluster_domain)
        except AuthorityError as error:
            raise AuthorityError(f"path: {error}") from None


def _context(request: pb.GetDestination) -> ContextToken:
    context = parse_context(request.context_token)
    if context is None:
        _log.debug("context token is malformed and taken as empty", authority=request.path[:200])
        return ContextToken()
    return context
