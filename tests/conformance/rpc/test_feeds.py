"""Event feeds with readers that stall, whatever engine serves them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
import grpc.aio
import pytest

from linkerd.rpc.methods import Call, ServiceTable, service
from linkerd.streams import Feed, Reader, StreamEnd
from linkerd.stubs.proxy import net_pb2, tap_pb2, tap_pb2_grpc
from tests.support.eventually import eventually
from tests.support.rpc import World

Stub = Any  # grpc.aio's side of TapStub, which exists in stubs only

EVENTS: Final = 400
EVENT_BYTES: Final = 8_000  # a good deal more together than what two ends of a connection buffer
MAX_BYTES: Final = 100_000


def event(number: int) -> bytes:
    source = net_pb2.TcpAddress(port=number)
    labels = {"padding": "x" * EVENT_BYTES}
    meta = tap_pb2.TapEvent.EndpointMeta(labels=labels)
    return tap_pb2.TapEvent(source=source, source_meta=meta).SerializeToString()


def missed(number: int) -> bytes:
    return tap_pb2.TapEvent(destination=net_pb2.TcpAddress(port=number)).SerializeToString()


class Tapped(World):
    """A proxy that is tapped; everybody is told the same."""

    def __init__(self) -> None:
        super().__init__()
        self.dropped = 0
        self.left = asyncio.Event()
        self.feed = Feed(
            event,
            max_events=1_000,
            max_bytes=MAX_BYTES,
            lost=missed,
            dropped=self._drop,
            on_empty=self.left.set,
        )

    def tables(self) -> list[ServiceTable]:
        tap = service(tap_pb2.DESCRIPTOR.services_by_name["Tap"], Observe=self._observe)
        return [*super().tables(), tap]

    async def _observe(self, _request: tap_pb2.ObserveRequest, _call: Call) -> Reader[int]:
        return self.feed.subscribe()

    def _drop(self, events: int) -> None:
        self.dropped += events


@pytest.fixture
def world() -> Tapped:
    return Tapped()


async def channel_of(server: Any, name: int) -> AsyncIterator[Stub]:
    """A connection of its own."""
    target = f"127.0.0.1:{server.port}"
    async with grpc.aio.insecure_channel(
        target, options=[("test.id", name), ("grpc.http2.bdp_probe", 0)]
    ) as channel:
        yield tap_pb2_grpc.TapStub(channel)


@pytest.fixture
async def one(server: Any) -> AsyncIterator[Stub]:
    async for stub in channel_of(server, 1):
        yield stub


@pytest.fixture
async def two(server: Any) -> AsyncIterator[Stub]:
    async for stub in channel_of(server, 2):
        yield stub


async def test_a_stalled_reader_misses_events_and_delays_nobody(
    one: Stub, two: Stub, world: Tapped
) -> None:
    fast, stalled = (stub.Observe(tap_pb2.ObserveRequest()) for stub in (one, two))
    await eventually(lambda: world.feed.subscribers == 2, "both readers")
    for number in range(1, EVENTS + 1):
        world.feed.publish(number)
        assert (await fast.read()).source.port == number
        assert world.feed.held_bytes <= MAX_BYTES
    world.feed.end(StreamEnd(grpc.StatusCode.UNAVAILABLE, "no more"))
    told = [message async for message in until_the_end(stalled)]
    known = 0
    for message in told:
        known += message.destination.port or 1
        assert message.destination.port or message.source.port == known
    assert known == EVENTS
    gaps = [message.destination.port for message in told if message.destination.port]
    assert gaps == [world.dropped]
    for stream in (fast, stalled):
        assert await stream.code() is grpc.StatusCode.UNAVAILABLE
        assert await stream.details() == "no more"
    assert world.feed.held_bytes == 0
    await asyncio.wait_for(world.left.wait(), 10)


async def until_the_end(stream: Any) -> AsyncIterator[tap_pb2.TapEvent]:
    try:
        async for message in stream:
            yield message
    except grpc.aio.AioRpcError:
        return


async def test_a_stalled_reader_that_leaves_frees_what_was_held(
    one: Stub, two: Stub, world: Tapped
) -> None:
    fast, stalled = (stub.Observe(tap_pb2.ObserveRequest()) for stub in (one, two))
    await eventually(lambda: world.feed.subscribers == 2, "both readers")
    for number in range(1, EVENTS + 1):
        world.feed.publish(number)
        await fast.read()
    assert world.feed.held_bytes
    stalled.cancel()
    await eventually(lambda: world.feed.subscribers == 1, "its end")
    await eventually(lambda: not world.feed.held_bytes, "the memory")
    assert world.dropped
    fast.cancel()
    await asyncio.wait_for(world.left.wait(), 10)
