"""How the CLI talks to a destination service: directly, or through the API server.

The service listens inside the cluster. `kubectl port-forward` carries a local port there and needs
no more than what kubectl needs.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import grpc
import grpc.aio

from linkerd.cli._forward import ForwardError, forwarded
from linkerd.delivery.kubectl import Kubectl
from linkerd.stubs.proxy import destination_pb2 as pb
from linkerd.stubs.proxy import destination_pb2_grpc

_PORT: Final = 8086
_DEPLOYMENT: Final = "deployment/linkerd-destination"
_CONNECT_SECONDS: Final = 5.0


class DestinationError(click.ClickException):
    """What the service, or the way to it, answered; printed as it is, for it says who speaks."""

    def show(self, file: Any = None) -> None:
        """The message on standard error."""
        click.echo(self.format_message(), file=file, err=file is None)


@dataclass(frozen=True, slots=True)
class Way:
    """Which destination service, and as whom it is asked."""

    address: str | None = None
    kubeconfig: Path | None = None
    namespace: str = "linkerd"
    pod: str | None = None
    token: str = ""


def context_token(token: str | None, namespace: str | None, node: str | None) -> str:
    """The token given, or one as a proxy in that namespace and on that node would send it."""
    if token is not None:
        return token
    said = {"ns": namespace, "nodeName": node}
    return json.dumps({key: value for key, value in said.items() if value})


class Client:
    """Streams of the destination service, message by message."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self._stub = destination_pb2_grpc.DestinationStub(channel)
        self._token = token

    def updates(self, authority: str) -> AsyncIterator[pb.Update]:
        """What `Get` says. Raises DestinationError; NOT_FOUND ends it with nothing said."""
        return _messages(self._stub.Get(self._request(authority)), absent_is_empty=True)

    def profiles(self, authority: str) -> AsyncIterator[pb.DestinationProfile]:
        """What `GetProfile` says. Raises DestinationError."""
        return _messages(self._stub.GetProfile(self._request(authority)), absent_is_empty=False)

    def _request(self, authority: str) -> pb.GetDestination:
        return pb.GetDestination(path=authority, context_token=self._token)


async def _messages(call: Any, *, absent_is_empty: bool) -> AsyncIterator[Any]:
    try:
        async for message in call:
            yield message
    except grpc.aio.AioRpcError as error:
        if absent_is_empty and error.code() is grpc.StatusCode.NOT_FOUND:
            return
        raise DestinationError(
            f"Destination API error: {error.details()} ({error.code().name})"
        ) from error
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
        yield way.address
        return
    target = f"pod/{way.pod}" if way.pod else _DEPLOYMENT
    try:
        async with forwarded(Kubectl(way.kubeconfig), way.namespace, target, _PORT) as port:
            yield f"127.0.0.1:{port}"
    except ForwardError as error:
        raise DestinationError(
            f"{error} Is the control plane installed there? --destination-addr reaches a service "
            "directly."
        ) from error
