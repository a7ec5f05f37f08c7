"""The grpcio engine: what a call leaves behind, and requests that do not come to their end."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from types import FrameType
from typing import Any

import grpc
import grpc.aio
import pytest
from prometheus_client import CollectorRegistry

from linkerd.rpc.grpcio import calls
from linkerd.rpc.grpcio import server as engine
from linkerd.rpc.grpcio.server import GrpcServer
from linkerd.rpc.options import ServerOptions
from linkerd.runtime.readiness import Readiness
from linkerd.runtime.values import HostPort
from linkerd.stubs.proxy.destination_pb2 import GetDestination
from linkerd.stubs.proxy.identity_pb2 import CertifyRequest
from tests.support.eventually import eventually
from tests.support.http2 import RawClient, framed
from tests.support.rpc import CERTIFY, GET, World

PENDING = 3


@pytest.fixture
def world() -> World:
    """The services that the server serves."""
    return World()


@pytest.fixture
async def server(world: World) -> AsyncIterator[GrpcServer]:
    """A server that takes few unfinished requests."""
    server = GrpcServer(
        HostPort("127.0.0.1", 0),
        world.tables(),
        readiness=Readiness(),
        registry=CollectorRegistry(),
        options=ServerOptions(max_pending_calls=PENDING),
    )
    await server.start()
    yield server
    world.release.set()
    await server.stop(0)


@pytest.fixture
async def channel(server: GrpcServer) -> AsyncIterator[grpc.aio.Channel]:
    """A connection to it."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield channel


@pytest.fixture
def garbage() -> Iterator[list[object]]:
    """What only the collector would have freed, from now on; filled by `gc.collect()`."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield gc.garbage
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def of_the_server(thing: object) -> bool:
    """Whether it is a call's on the server, or a frame of ours."""
    kind = type(thing)
    if isinstance(thing, FrameType):
        return "/linkerd/" in thing.f_code.co_filename
    return kind.__module__.startswith("linkerd") or kind.__name__ in {
        "RPCState",
        "_ServicerContext",
        "AbortError",
        "_MessageReceiver",
    }


def certify(channel: grpc.aio.Channel, request: bytes, **options: Any) -> Any:
    """A call, begun."""
    method: Any = channel.unary_unary(CERTIFY)
    return method(request, **options)


async def ended(call: Any) -> None:
    """Waits for the end of a call, however it ends."""
    await asyncio.wait([asyncio.ensure_future(call.code())])


@pytest.mark.parametrize("identity", ["web", "refuse", "undecodable"])
async def test_unary_calls_leave_nothing_to_collect(
    server: GrpcServer,
    channel: grpc.aio.Channel,
    world: World,
    garbage: list[object],
    identity: str,
) -> None:
    request = CertifyRequest(identity=identity, token=b"x" * 10_000).SerializeToString()
    for _ in range(20):
        await ended(certify(channel, b"\xff" if identity == "undecodable" else request))
    world.calls.clear()
    await eventually(lambda: len(server.calls) == 0, "the end of all calls")
    gc.collect()
    assert [each for each in garbage if of_the_server(each)] == []


@pytest.mark.parametrize("path", ["web", "refused"])
async def test_watching_calls_leave_nothing_to_collect(
    server: GrpcServer, channel: grpc.aio.Channel, world: World, garbage: list[object], path: str
) -> None:
    server.calls.drain() if path == "refused" else world.topics["web"].publish(frozenset({1}))
    method: Any = channel.unary_stream(GET)
    request = GetDestination(path=path).SerializeToString()
    for _ in range(20):
        call = method(request)
        if path == "web":
            await call.read()
            call.cancel()
        await ended(call)
    world.calls.clear()
    await eventually(lambda: len(server.calls) == 0, "the end of all calls")
    gc.collect()
    assert [each for each in garbage if of_the_server(each)] == []


async def test_what_grpcio_leaves_of_large_metadata_is_collected(
    channel: grpc.aio.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which it does in cycles of few objects, so that no threshold would be reached."""
    monkeypatch.setattr(engine, "_GARBAGE_BYTES", 100_000)
    full = [generation["collections"] for generation in gc.get_stats()][-1]
    for _ in range(30):
        await certify(channel, b"", metadata=(("big", "x" * 7000),))
    assert gc.get_stats()[-1]["collections"] - full == 2


async def test_unfinished_requests_are_bounded(server: GrpcServer) -> None:
    async with RawClient(server.port) as client:
        partial = framed(b"x" * 1000)[:500]
        slow = []
        for _ in range(PENDING):
            stream = client.open(CERTIFY, end=False)
            client.wire.send_data(stream, partial)
            slow.append(stream)
        client.send()
        refused = await client.result(client.open(CERTIFY, b""))
        assert refused.status == "8"
        assert refused.headers["grpc-message"] == "pending: 3 requests are not whole: try again"
        client.wire.reset_stream(slow[0])
        client.send()
        await client.pong()
        await eventually(lambda: server.calls.pending < PENDING, "the end of the call")
        assert (await client.result(client.open(CERTIFY, b""))).status == "0"


async def test_requests_that_do_not_come_to_their_end(
    server: GrpcServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "REQUEST_SECONDS", 0.01)
    async with RawClient(server.port) as client:
        result = await client.result(client.open(CERTIFY, end=False))
    assert result.status == "1"
    assert result.headers["grpc-message"] == "the request did not come to its end in time"
    assert server.calls.pending == 0


async def test_a_request_without_a_message(server: GrpcServer) -> None:
    async with RawClient(server.port) as client:
        result = await client.result(client.open(CERTIFY))
    assert result.status == "12"
