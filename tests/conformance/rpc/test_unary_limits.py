"""Bounds of the whole process on unary calls: what is beyond is told so, and counted."""

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest
from prometheus_client import CollectorRegistry

from linkerd.stubs.proxy.identity_pb2 import CertifyRequest
from tests.support.eventually import eventually
from tests.support.rpc import CERTIFY, World


def certify(channel: grpc.aio.Channel, identity: str, padding: int = 0) -> Any:
    """A call, begun."""
    request = CertifyRequest(identity=identity, token=b"x" * padding)
    method: Any = channel.unary_unary(CERTIFY)
    return method(request.SerializeToString())


async def refused(call: Any) -> str:
    """The message of a call that a limit refuses."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    return caught.value.details() or ""


def count(registry: CollectorRegistry, limit: str) -> float:
    """How many calls that limit has refused."""
    value = registry.get_sample_value("grpc_server_calls_refused_total", {"limit": limit})
    assert value is not None
    return value


async def test_calls_beyond_the_limit(
    serve: Any, world: World, registry: CollectorRegistry
) -> None:
    server = await serve(max_unary_calls=3)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        waiting = [certify(channel, "wait") for _ in range(3)]
        await eventually(lambda: len(server.calls) == 3, "three calls")
        message = await refused(certify(channel, "web"))
        assert message == "calls: 3 are in progress, which is the limit: try again"
        assert count(registry, "calls") == 1
        world.release.set()
        await asyncio.gather(*waiting)
        await certify(channel, "web")
    assert count(registry, "calls") == 1


async def test_bytes_beyond_the_limit(
    serve: Any, world: World, registry: CollectorRegistry
) -> None:
    """Whatever the calls are: their requests together."""
    server = await serve(max_unary_bytes=100_000)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        waiting = certify(channel, "wait", 60_000)
        await world.entered.wait()
        assert "requests in progress may have 100000" in await refused(
            certify(channel, "web", 60_000)
        )
        await certify(channel, "web", 30_000)
        assert count(registry, "bytes") == 1
        waiting.cancel()
        await eventually(lambda: len(server.calls) == 0, "the end of the call")
        await certify(channel, "web", 60_000)


async def test_calls_that_fail_or_leave_give_their_room_back(serve: Any, world: World) -> None:
    server = await serve(max_unary_calls=1, max_unary_bytes=100)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        for identity in ("refuse", "crash", "web", "nonsense", "web"):
            try:
                await certify(channel, identity)
            except grpc.aio.AioRpcError as error:
                assert error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED  # noqa: PT017  # some do not raise
        for _ in range(3):
            world.entered.clear()
            left = certify(channel, "wait")
            await world.entered.wait()
            left.cancel()
            await eventually(lambda: len(server.calls) == 0, "the end of the call")
        await certify(channel, "web")
