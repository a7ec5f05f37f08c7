"""The bell of one stream, and the book of all streams."""

import asyncio

import grpc
import pytest

from linkerd.rpc.errors import RpcError
from linkerd.rpc.streams import Bell, Streams
from linkerd.testing.clock import settle


async def test_a_ring_before_the_wait_is_not_lost() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()
    await asyncio.wait_for(bell.wait(), 1)
    waiting = asyncio.create_task(bell.wait())
    await settle()
    assert not waiting.done()
    bell.ring()
    bell.ring()
    await asyncio.wait_for(waiting, 1)


async def test_a_cancelled_wait_can_be_rung() -> None:
    bell = Bell()
    waiting = asyncio.create_task(bell.wait())
    await settle()
    waiting.cancel()
    bell.ring()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    bell.ring()
    await asyncio.wait_for(bell.wait(), 1)


def test_streams_beyond_the_limit_are_refused() -> None:
    streams = Streams(2)
    bells = [streams.enter(), streams.enter()]
    with pytest.raises(RpcError, match="streams: 2 are open") as caught:
        streams.enter()
    assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    streams.leave(bells[0])
    streams.leave(bells[0])
    streams.enter()
    assert len(streams) == 2


def test_draining_ends_all_and_admits_none() -> None:
    streams = Streams(2)
    bell = streams.enter()
    streams.drain()
    assert bell.ended
    with pytest.raises(RpcError) as caught:
        streams.enter()
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
