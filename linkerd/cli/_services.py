"""How the CLI talks to a service of the control plane: directly, or through the API server.

Services listen inside the cluster. `kubectl port-forward` carries a local port there and needs no
more than what kubectl needs.
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
from linkerd.mesh import control_plane
from linkerd.rpc.client.channels import Channel, Channels
from linkerd.rpc.client.errors import CallError, UnreachableError
from linkerd.rpc.methods import Signature
from linkerd.runtime.values import HostPort


class ServiceError(click.ClickException):
    """What a service, or the way to it, answered; printed as it is, for it says who speaks."""

    def show(self, file: Any = None) -> None:
        """The message on standard error."""
        click.echo(self.format_message(), file=file, err=file is None)


class AbsentError(ServiceError):
    """There is nothing of that name."""


@dataclass(frozen=True, slots=True)
class Service:
    """One of the control plane: its Deployment, and the port that serves gRPC."""

    name: str
    deployment: str
    port: int


DESTINATION: Final = Service(
    "destination", control_plane.DESTINATION, control_plane.DESTINATION_PORT
)
POLICY: Final = Service("policy", control_plane.POLICY, control_plane.POLICY_PORT)


@dataclass(frozen=True, slots=True)
class Way:
    """To which service, and by which way: an address, or a pod of it, or any pod."""

    service: Service
    target: Target
    address: HostPort | None = None
    pod: str | None = None


@asynccontextmanager
async def connect(way: Way) -> AsyncIterator[Channel]:
    """A channel to the service. Raises ServiceError when it is not to be reached."""
    async with _local_address(way) as address, Channels() as channels:
        channel = channels.channel(address)
        try:
            await channel.connect()
        except UnreachableError:
            raise ServiceError(
                f"The {way.service.name} service at {address} does not answer; is it running?"
            ) from None
        yield channel


async def messages(
    channel: Channel, service: Service, method: Signature, request: Any
) -> AsyncIterator[Any]:
    """What the service says to a request, message by message. Raises ServiceError, AbsentError when
    there is nothing of that name."""
    try:
        async with channel.watch(method, request) as said:
            async for message in said:
                yield message
    except UnreachableError:
        raise ServiceError(f"The connection to the {service.name} service broke off.") from None
    except CallError as error:
        kind = AbsentError if error.code is grpc.StatusCode.NOT_FOUND else ServiceError
        why = error.message or "no reason given"
        name = service.name.capitalize()
        raise kind(f"{name} API error: {why} ({error.code.name})") from error


@asynccontextmanager
async def _local_address(way: Way) -> AsyncIterator[HostPort]:
    if way.address is not None:
        yield way.address
        return
    pod = f"pod/{way.pod}" if way.pod else f"deployment/{way.service.deployment}"
    try:
        kubectl = await reach(way.target.access)
        async with forwarded(kubectl, way.target.namespace, pod, way.service.port) as port:
            yield HostPort("127.0.0.1", port)
    except (ForwardError, KubeError) as error:
        raise ServiceError(
            f"{str(error).rstrip('.')}. Is the control plane installed there? "
            f"--{way.service.name}-addr reaches a service directly."
        ) from error
