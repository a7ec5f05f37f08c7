"""What the CLI asks a destination service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from linkerd.cli._services import DESTINATION, Way, connect, messages
from linkerd.mesh.context_token import ContextToken
from linkerd.rpc.client.channels import Channel
from linkerd.rpc.methods import signatures
from linkerd.stubs.proxy import destination_pb2 as pb

_METHODS: Final = signatures(pb.DESCRIPTOR.services_by_name["Destination"])


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
        """What `Get` says. Raises ServiceError, AbsentError when there is no such service."""
        return self._messages("Get", authority)

    def profiles(self, authority: str) -> AsyncIterator[pb.DestinationProfile]:
        """What `GetProfile` says. Raises as `updates`."""
        return self._messages("GetProfile", authority)

    def _messages(self, method: str, authority: str) -> AsyncIterator[Any]:
        request = pb.GetDestination(path=authority, context_token=self._token)
        return messages(self._channel, DESTINATION, _METHODS[method], request)


@asynccontextmanager
async def client(way: Way, token: str) -> AsyncIterator[Client]:
    """A client of the service. Raises ServiceError when it is not to be reached."""
    async with connect(way) as channel:
        yield Client(channel, token)
