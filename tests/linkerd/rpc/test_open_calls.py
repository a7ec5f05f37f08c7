"""The bell of one stream, and the book of all calls."""

import asyncio

import grpc
import pytest
from prometheus_client import CollectorRegistry

from linkerd.rpc.errors import RpcError
from linkerd.rpc.metrics import RpcMetrics
from linkerd.rpc.open_calls import Bell, OpenCalls
from linkerd.rpc.options import ServerOptions
from tests.support.clock import settle


def two() -> OpenCalls:
    """The book of a server that takes two streams."""
    return OpenCalls(ServerOptions(max_concurrent_streams=2), RpcMetrics(CollectorRegistry()))


def entered(calls: OpenCalls) -> Bell:
    """A watching call that has begun."""
    bell = Bell()
    calls.enter(bell)
    return bell


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
    calls = two()
    bells = [entered(calls), entered(calls)]
    with pytest.raises(RpcError, match="streams: 2 are open") as caught:
        entered(calls)
    assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    calls.leave(bells[0])
    calls.leave(bells[0])
    entered(calls)
    assert len(calls) == 2


def test_draining_ends_all_and_admits_none() -> None:
    calls = two()
    bell = entered(calls)
    calls.drain()
    assert bell.ended
    with pytest.raises(RpcError) as caught:
        entered(calls)
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE


async def test_idle_means_that_no_call_is_left() -> None:
    calls = two()
    await asyncio.wait_for(calls.idle(), 1)
    bell = entered(calls)
    calls.begin(9)
    waiting = asyncio.create_task(calls.idle())
    await settle()
    calls.leave(bell)
    await settle()
    assert not waiting.done()
    calls.end(9)
    await asyncio.wait_for(waiting, 1)
