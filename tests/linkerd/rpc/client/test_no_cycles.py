"""What calls held is freed when they end, by counting references."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from linkerd.rpc.client.channels import Channel, Channels
from linkerd.rpc.client.errors import CallError
from linkerd.rpc.engines import Engine
from linkerd.rpc.methods import signatures
from linkerd.runtime.values import HostPort
from linkerd.stubs.proxy import destination_pb2, identity_pb2
from tests.support.cycles import left_in_cycles
from tests.support.rpc import World

GET = signatures(destination_pb2.DESCRIPTOR.services_by_name["Destination"])["Get"]
CERTIFY = signatures(identity_pb2.DESCRIPTOR.services_by_name["Identity"])["Certify"]


pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])
"""The connections of asyncio's own loop are cycles in themselves."""


@pytest.fixture(params=["h2"])
def engine(request: pytest.FixtureRequest) -> str:
    """Which one makes no difference here."""
    name: str = request.param
    return name


async def answered(channel: Channel) -> None:
    await channel.unary(CERTIFY, identity_pb2.CertifyRequest(identity="web"), timeout=60)


async def refused(channel: Channel) -> None:
    with suppress(CallError):
        await channel.unary(CERTIFY, identity_pb2.CertifyRequest(identity="refuse"), timeout=60)


async def late(channel: Channel) -> None:
    with suppress(CallError):
        await channel.unary(CERTIFY, identity_pb2.CertifyRequest(identity="wait"), timeout=0.002)


async def watched(channel: Channel) -> None:
    request = destination_pb2.GetDestination(path="web")
    async with channel.watch(GET, request) as updates:
        await anext(updates)


@pytest.mark.parametrize("call", [answered, refused, late, watched])
async def test_calls(
    channel: Channel, world: World, call: Callable[[Channel], Awaitable[None]]
) -> None:
    world.topics["web"].publish(frozenset())
    await channel.connect()
    assert await left_in_cycles(lambda: call(channel)) == 0


async def test_connections_that_are_closed(server: Engine) -> None:
    async def act() -> None:
        async with Channels() as channels:
            await answered(channels.channel(HostPort("127.0.0.1", server.port)))

    assert await left_in_cycles(act) == 0


async def test_connections_that_break_off_under_a_call() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes.fromhex("000000040000000000"))  # SETTINGS
        await reader.read(1)
        await asyncio.sleep(0.001)
        writer.transport.abort()

    peer = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    address = HostPort("127.0.0.1", peer.sockets[0].getsockname()[1])
    async with peer, Channels() as channels:
        channel = channels.channel(address)
        assert await left_in_cycles(lambda: refused(channel)) == 0


async def test_connections_that_cannot_be_made() -> None:
    async with Channels() as channels:
        channel = channels.channel(HostPort("127.0.0.1", 1))
        assert await left_in_cycles(lambda: refused(channel)) == 0
