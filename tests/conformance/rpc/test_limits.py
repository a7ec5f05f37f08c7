"""Limits: crowds are served up to them, and told beyond."""

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest

from linkerd.runtime.errors import StartError
from linkerd.runtime.values import HostPort
from linkerd.stubs.proxy import destination_pb2, destination_pb2_grpc
from tests.support.eventually import eventually
from tests.support.rpc import World


def stub(channel: grpc.aio.Channel) -> Any:
    """grpc.aio's side of the stub."""
    return destination_pb2_grpc.DestinationStub(channel)


WEB = destination_pb2.GetDestination(path="web")


async def test_a_burst_of_streams_is_served_whole(channel: grpc.aio.Channel, world: World) -> None:
    """grpcio's own defaults would cancel some of them."""
    topic = world.topics["web"]
    topic.publish(frozenset({1}))
    streams = [stub(channel).Get(WEB) for _ in range(1500)]
    updates = await asyncio.gather(*(stream.read() for stream in streams))
    assert all(update.HasField("add") for update in updates)
    assert topic.subscribers == 1500


async def test_streams_beyond_the_cap_are_told_so(serve: Any, world: World) -> None:
    server = await serve(max_concurrent_streams=10)
    topic = world.topics["web"]
    topic.publish(frozenset({1}))
    target = f"127.0.0.1:{server.port}"
    # Two connections, because on one the excess waits in the client for the HTTP/2 limit. Their
    # options differ, or grpcio would let them share one.
    async with (
        grpc.aio.insecure_channel(target, options=[("test.id", 1)]) as one,
        grpc.aio.insecure_channel(target, options=[("test.id", 2)]) as two,
    ):
        streams = [stub(one).Get(WEB) for _ in range(10)]
        for stream in streams:
            await stream.read()
        with pytest.raises(grpc.aio.AioRpcError, match="streams: 10 are open") as caught:
            await stub(two).Get(WEB).read()
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        streams.pop().cancel()
        await eventually(lambda: topic.subscribers == 9, "the end of a stream")
        stream = stub(two).Get(WEB)
        assert (await stream.read()).HasField("add")


async def test_a_port_in_use_is_one_sentence(serve: Any) -> None:
    server = await serve()
    with pytest.raises(StartError, match=rf"cannot listen on 127\.0\.0\.1:{server.port}; "):
        await serve(HostPort("127.0.0.1", server.port))


@pytest.mark.parametrize(("host", "target"), [("", "127.0.0.1"), ("::1", "[::1]")])
async def test_addresses_of_both_families_and_all_interfaces(
    serve: Any, world: World, host: str, target: str
) -> None:
    server = await serve(HostPort(host, 0))
    world.topics["web"].publish(frozenset({1}))
    async with grpc.aio.insecure_channel(f"{target}:{server.port}") as channel:
        assert (await stub(channel).Get(WEB).read()).HasField("add")
