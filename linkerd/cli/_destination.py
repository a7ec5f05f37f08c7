"""How the CLI talks to a destination service: directly, or through the API server.

The service listens inside the cluster. `kubectl port-forward` carries a local port there and needs
no more than what kubectl needs.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import click
import grpc

from linkerd.cli._forward import ForwardError, forwarded
from linkerd.cli._reach import reach
from linkerd.cli._target import Target
from linkerd.kube.errors import KubeError
from linkerd.mesh.context_token import ContextToken
from linkerd.mesh.control_plane import DESTINATION, DESTINATION_PORT
from linkerd.rpc.client.channels import Channel, Channels
from linkerd.rpc.client.errors import CallError, UnreachableError
from linkerd.rpc.methods import signatures
from linkerd.runtime.values import HostPort
from linkerd.stubs.proxy import destination_pb2 as pb

_METHODS: Final = signatures(pb.DESCRIPTOR.services_by_name["Destination"])


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

    def __init__(self, channel: Channel, token: str) -> None:
        self._channel = channel
        self._token = token

    def updates(self, authority: str) -> AsyncIterator[pb.Update]:
        """What `Get` says. Raises DestinationError, AbsentError when there is no such service."""
        return self._messages("Get", authority)

    def profiles(self, authority: str) -> AsyncIterator[pb.DestinationProfile]:
        """What `GetProfile` says. Raises as `updates`."""
        return self._messages("GetProfile", authority)

    async def _messages(self, method: str, authority: str) -> AsyncIterator[Any]:
        request = pb.GetDestination(path=authority, context_token=self._token)
        try:
            async with self._channel.watch(_METHODS[method], request) as messages:
                async for message in messages:
                    yield message
        except UnreachableError:
            raise DestinationError("The connection to the destination service broke off.") from None
        except CallError as error:
            kind = AbsentError if error.code is grpc.StatusCode.NOT_FOUND else DestinationError
            why = error.message or "no reason given"
            raise kind(f"Destination API error: {why} ({error.code.name})") from error


@asynccontextmanager
async def connect(way: Way) -> AsyncIterator[Client]:
    """A client of the service. Raises DestinationError when it is not to be reached."""
    async with _local_address(way) as address, Channels() as channels:
        channel = channels.channel(address)
        try:
            await channel.connect()
        except UnreachableError:
            raise DestinationError(
                f"The destination service at {address} does not answer; is it running?"
            ) from None
        yield Client(channel, way.token)


@asynccontextmanager
async def _local_address(way: Way) -> AsyncIterator[HostPort]:
    if way.address is not None:
        yield way.address
        return
    pod = f"pod/{way.pod}" if way.pod else f"deployment/{DESTINATION}"
    try:
        kubectl = await reach(way.target.access)
        async with forwarded(kubectl, way.target.namespace, pod, DESTINATION_PORT) as port:
            yield HostPort("127.0.0.1", port)
    except (ForwardError, KubeError) as error:
        raise DestinationError(
            f"{str(error).rstrip('.')}. Is the control plane installed there? "
            "--destination-addr reaches a service directly."
        ) from error
