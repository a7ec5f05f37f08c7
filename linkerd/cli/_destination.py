"""How the CLI talks to a destination service: directly, or through the API server.

The service listens inside the cluster. `kubectl port-forward` carries a local port there and needs
no more than what kubectl needs.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import click
import grpc
import grpc.aio

from linkerd.cli._forward import ForwardError, forwarded
from linkerd.cli._reach import reach
from linkerd.cli._target import Target
from linkerd.kube.errors import KubeError
from linkerd.mesh.context_token import ContextToken
from linkerd.runtime.values import HostPort
from linkerd.stubs.proxy import destination_pb2 as pb
from linkerd.stubs.proxy import destination_pb2_grpc

_PORT: Final = 8086
_DEPLOYMENT: Final = "deployment/linkerd-destination"
_CONNECT_SECONDS: Final = 5.0
_BROKEN: Final = (
    "failed to connect", "socket closed", "stream removed", "received rst_stream", "received http2",
    "goaway", "connection reset", "recvmsg", "broken pipe", "keepalive", "ping timeout",
)  # fmt: skip
"""How gRPC's own words begin, in lower case, when a connection is not or no longer there."""


class DestinationError(click.ClickException):
    """What the service, or the way to it, answered; printed as it is, for it says who speaks."""

    def show(self, file: Any = None) -> None:
        """The message on standard error."""
        click.echo(self.format_message(), file=file, err=file is None)


class AbsentError(DestinationError):
    """There is no such service."""


@dataclass(frozen=True, slots=True)
class Way:
    """Which destination service, and as whom it is asked."""

    target: Target
    address: HostPort | None = None
    pod: str | None = None
    token: str = ""


def context_token(token: str | None, namespace: str | None, node: str | None) -> str:
    """The token given, or one as a proxy in that namespace and on that node would send it."""
    if token is not None:
        return token
    return str(ContextToken(namespace or "", node or ""))


class Client:
    """Streams of the destination service, message by message."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self._stub = destination_pb2_grpc.DestinationStub(channel)
        self._token = token

    def updates(self, authority: str) -> AsyncIterator[pb.Update]:
        """What `Get` says. Raises DestinationError, AbsentError when there is no such service."""
        return _messages(self._stub.Get(self._request(authority)))

    def profiles(self, authority: str) -> AsyncIterator[pb.DestinationProfile]:
        """What `GetProfile` says. Raises as `updates`."""
        return _messages(self._stub.GetProfile(self._request(authority)))

    def _request(self, authority: str) -> pb.GetDestination:
        return pb.GetDestination(path=authority, context_token=self._token)


async def _messages(call: Any) -> AsyncIterator[Any]:
    try:
        async for message in call:
            yield message
    except grpc.aio.AioRpcError as error:
        details, code = error.details() or "no reason given", error.code()
        if details.lower().startswith(_BROKEN):
            raise DestinationError("The connection to the destination service broke off.") from None
        kind = AbsentError if code is grpc.StatusCode.NOT_FOUND else DestinationError
        raise kind(f"Destination API error: {details} ({code.name})") from error
    finally:
        call.cancel()


@asynccontextmanager
async def connect(way: Way) -> AsyncIterator[Client]:
    """A client of the service. Raises DestinationError when it is not to be reached."""
    async with _local_address(way) as address, grpc.aio.insecure_channel(address) as channel:
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await channel.channel_ready()
        except TimeoutError:
            raise DestinationError(
                f"The destination service at {address} does not answer within "
                f"{_CONNECT_SECONDS:.0f} s; is it running?"
            ) from None
        yield Client(channel, way.token)


@asynccontextmanager
async def _local_address(way: Way) -> AsyncIterator[str]:
    if way.address is not None:
        yield str(way.address)
        return
    pod = f"pod/{way.pod}" if way.pod else _DEPLOYMENT
    try:
        kubectl = await reach(way.target.access)
        async with forwarded(kubectl, way.target.namespace, pod, _PORT) as port:
            yield f"127.0.0.1:{port}"
    except (ForwardError, KubeError) as error:
        raise DestinationError(
            f"{str(error).rstrip('.')}. Is the control plane installed there? "
            "--destination-addr reaches a service directly."
        ) from error
