"""How many connections there are, when they end, and what is said when there is none."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from hyperframe.frame import SettingsFrame, WindowUpdateFrame
from prometheus_client import CollectorRegistry

from linkerd.rpc.client.channels import Channels
from linkerd.rpc.client.errors import (
    DeadlineError,
    TooManyConnectionsError,
    UnreachableError,
)
from linkerd.rpc.client.options import ClientOptions
from linkerd.rpc.engines import Engine
from linkerd.rpc.h2.server import H2Server
from linkerd.rpc.methods import signatures
from linkerd.rpc.options import ServerOptions
from linkerd.runtime.readiness import Readiness
from linkerd.runtime.values import HostPort
from linkerd.stubs.proxy import destination_pb2, identity_pb2
from tests.support.cut import CutProxy
from tests.support.eventually import eventually
from tests.support.rpc import World, apply

GET = signatures(destination_pb2.DESCRIPTOR.services_by_name["Destination"])["Get"]
CERTIFY = signatures(identity_pb2.DESCRIPTOR.services_by_name["Identity"])["Certify"]
ME = identity_pb2.CertifyRequest(identity="me")
WEB = destination_pb2.GetDestination(path="web")
SOON = timedelta(milliseconds=50)

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(params=["h2"])
def engine(request: pytest.FixtureRequest) -> str:
    """Which one makes no difference here."""
    name: str = request.param
    return name


@asynccontextmanager
async def listener(handle: Handle) -> AsyncIterator[HostPort]:
    """Somebody who is no server of ours."""
    serving = set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # a test's
        serving.add(task)
        try:
            await handle(reader, writer)
        except OSError:
            pass  # the other side is gone
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield HostPort("127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()
        if serving:
            await asyncio.wait(serving)


async def test_a_connection_without_calls_is_closed_after_a_while(
    server: Engine, world: World
) -> None:
    world.topics["web"].publish(frozenset())
    async with (
        CutProxy("127.0.0.1", server.port) as proxy,
        Channels(ClientOptions(idle=SOON)) as channels,
    ):
        channel = channels.channel(HostPort("127.0.0.1", proxy.port))
        async with channel.watch(GET, WEB) as updates:
            await anext(updates)
            await channel.unary(CERTIFY, ME, timeout=60)
            await asyncio.sleep(3 * SOON.total_seconds())  # what would close it has had its time
            assert proxy.open_connections == 1
        await eventually(lambda: not channels.connections, "its end")
        await eventually(lambda: not proxy.open_connections, "its end over there")
        await channel.unary(CERTIFY, ME, timeout=60)
        assert proxy.accepted == 2


async def test_an_idle_connection_makes_room_for_another(server: Engine) -> None:
    async with (
        CutProxy("127.0.0.1", server.port) as one,
        CutProxy("127.0.0.1", server.port) as two,
        Channels(ClientOptions(max_connections=1)) as channels,
    ):
        for proxy in (one, two, one):
            channel = channels.channel(HostPort("127.0.0.1", proxy.port))
            await channel.unary(CERTIFY, ME, timeout=60)
            assert channels.connections == 1
        assert (one.accepted, two.accepted) == (2, 1)


async def test_connections_with_calls_are_bounded_in_number(server: Engine, world: World) -> None:
    world.topics["web"].publish(frozenset())
    async with (
        CutProxy("127.0.0.1", server.port) as one,
        CutProxy("127.0.0.1", server.port) as two,
        Channels(ClientOptions(max_connections=1)) as channels,
    ):
        channel, other = (
            channels.channel(HostPort("127.0.0.1", proxy.port)) for proxy in (one, two)
        )
        async with channel.watch(GET, WEB) as updates:
            await anext(updates)
            with pytest.raises(TooManyConnectionsError, match="1 have calls in progress"):
                await other.unary(CERTIFY, ME, timeout=60)
            await channel.unary(CERTIFY, ME, timeout=60)
        await other.unary(CERTIFY, ME, timeout=60)


async def test_only_so_many_connections_begin_at_a_time() -> None:
    begun, release = 0, asyncio.Event()

    async def count(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        nonlocal begun
        begun += 1
        await release.wait()

    async def call(channels: Channels, address: HostPort) -> None:
        with pytest.raises(UnreachableError):
            await channels.channel(address).unary(CERTIFY, ME, timeout=60)

    async with (
        listener(count) as one,
        listener(count) as two,
        listener(count) as three,
        Channels(ClientOptions(max_dials=2)) as channels,
        asyncio.TaskGroup() as calls,
    ):
        for address in (one, two, three):
            calls.create_task(call(channels, address))
        await eventually(lambda: begun == 2, "two")
        assert channels.connections == 3
        release.set()
    assert begun == 3


async def test_who_accepts_and_says_nothing_does_not_answer() -> None:
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async with (
        listener(silent) as address,
        Channels(ClientOptions(connect_timeout=SOON)) as channels,
    ):
        channel = channels.channel(address)
        with pytest.raises(UnreachableError, match=f"{address} does not answer within 0.05 s"):
            await channel.connect()
        assert channels.connections == 0
    async with listener(silent) as address, Channels() as channels:
        with pytest.raises(DeadlineError, match=f"{address} was not reached"):
            await channels.channel(address).unary(CERTIFY, ME, timeout=0.05)


async def test_who_speaks_something_else_breaks_http2() -> None:
    async def smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP at your service\r\n")
        await reader.read(-1)

    async with listener(smtp) as address, Channels() as channels:
        with pytest.raises(UnreachableError, match=f"{address} breaks HTTP/2"):
            await channels.channel(address).connect()


async def test_a_large_request_waits_for_a_peer_that_reads_slowly() -> None:
    size, got, whole = 8 << 20, 0, asyncio.Event()
    settings = SettingsFrame(settings={SettingsFrame.INITIAL_WINDOW_SIZE: 2 * size})
    room = WindowUpdateFrame(0, window_increment=2 * size)

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A stream reader stops the transport at 128 KiB, and reads on only when asked."""
        nonlocal got
        writer.write(settings.serialize() + room.serialize())
        while got < size and (data := await reader.read(50_000)):
            got += len(data)
        whole.set()

    async with listener(slow) as address, Channels() as channels:
        request = identity_pb2.CertifyRequest(token=bytes(size))
        with pytest.raises(UnreachableError, match="broke off"):
            await channels.channel(address).unary(CERTIFY, request, timeout=60)
        await whole.wait()
    assert got >= size


async def test_who_is_cancelled_leaves_the_connection_to_others(server: Engine) -> None:
    async with CutProxy("127.0.0.1", server.port) as proxy, Channels() as channels:
        proxy.stall()
        channel = channels.channel(HostPort("127.0.0.1", proxy.port))
        gone, stays = (asyncio.ensure_future(channel.connect()) for _ in range(2))
        await proxy.until(lambda p: p.accepted == 1)
        gone.cancel()
        proxy.heal()
        await stays
        assert (proxy.accepted, channels.connections) == (1, 1)


async def test_an_end_of_all_ends_calls(server: Engine, world: World) -> None:
    topic = world.topics["web"]
    topic.publish(frozenset())
    channels = Channels()
    channel = channels.channel(HostPort("127.0.0.1", server.port))
    async with channel.watch(GET, WEB) as updates:
        await anext(updates)
        await channels.close()
        with pytest.raises(UnreachableError, match="is closed"):
            await anext(updates)
    await asyncio.wait_for(topic.empty.wait(), 10)
    with pytest.raises(UnreachableError, match="this client is closed"):
        await channel.connect()


async def test_an_end_of_all_ends_what_has_not_begun(server: Engine) -> None:
    async with CutProxy("127.0.0.1", server.port) as proxy:
        proxy.stall()
        channels = Channels()
        channel = channels.channel(HostPort("127.0.0.1", proxy.port))
        calls = [asyncio.ensure_future(channel.connect()) for _ in range(2)]
        await proxy.until(lambda p: p.accepted == 1)
        await channels.close()
        for call in calls:
            with pytest.raises(UnreachableError, match="this client is closed"):
                await call
        assert channels.connections == 0


async def test_a_server_that_turns_us_away_serves_what_has_begun(world: World) -> None:
    server = H2Server(
        HostPort("127.0.0.1", 0),
        world.tables(),
        readiness=Readiness(),
        registry=CollectorRegistry(),
        options=ServerOptions(connection_age=timedelta(milliseconds=200)),
    )
    await server.start()
    topic, numbers = world.topics["web"], set[int]()
    topic.publish(frozenset({1}))
    async with CutProxy("127.0.0.1", server.port) as proxy, Channels() as channels:
        channel = channels.channel(HostPort("127.0.0.1", proxy.port))
        async with channel.watch(GET, WEB) as updates:
            apply(numbers, await anext(updates))

            async with asyncio.timeout(10):
                while proxy.accepted < 2:
                    await channel.unary(CERTIFY, ME, timeout=60)
            topic.publish(frozenset({1, 2}))
            apply(numbers, await anext(updates))
            assert numbers == {1, 2}
    await server.stop(0)
