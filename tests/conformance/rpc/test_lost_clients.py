"""Clients that vanish: with a reset, and without a word."""

import asyncio
from datetime import timedelta
from typing import Any

import grpc.aio

from linkerd.stubs.proxy import destination_pb2, destination_pb2_grpc
from tests.support.cut import CutProxy
from tests.support.rpc import World

WEB = destination_pb2.GetDestination(path="web")


async def test_a_reset_connection_closes_its_subscriptions(server: Any, world: World) -> None:
    topic = world.topics["web"]
    topic.publish(frozenset({1}))
    async with (
        CutProxy("127.0.0.1", server.port) as proxy,
        grpc.aio.insecure_channel(f"127.0.0.1:{proxy.port}") as channel,
    ):
        stub: Any = destination_pb2_grpc.DestinationStub(channel)
        streams = [stub.Get(WEB) for _ in range(5)]
        for stream in streams:
            await stream.read()
        await proxy.cut()
        await asyncio.wait_for(topic.empty.wait(), 10)


async def test_a_silent_connection_is_given_up_after_its_keepalive(
    serve: Any, world: World
) -> None:
    server = await serve(
        keepalive_interval=timedelta(milliseconds=200),
        keepalive_timeout=timedelta(milliseconds=200),
    )
    topic = world.topics["web"]
    topic.publish(frozenset({1}))
    async with (
        CutProxy("127.0.0.1", server.port) as proxy,
        grpc.aio.insecure_channel(f"127.0.0.1:{proxy.port}") as channel,
    ):
        stub: Any = destination_pb2_grpc.DestinationStub(channel)
        stream = stub.Get(WEB)
        await stream.read()
        proxy.stall()
        await asyncio.wait_for(topic.empty.wait(), 30)


async def test_an_old_connection_is_turned_away_and_its_client_comes_back(
    serve: Any, world: World
) -> None:
    server = await serve(
        connection_age=timedelta(milliseconds=300), connection_age_grace=timedelta(seconds=30)
    )
    topic = world.topics["web"]
    topic.publish(frozenset({1}))
    async with (
        CutProxy("127.0.0.1", server.port) as proxy,
        grpc.aio.insecure_channel(f"127.0.0.1:{proxy.port}") as channel,
    ):
        stub: Any = destination_pb2_grpc.DestinationStub(channel)
        old = stub.Get(WEB)
        await old.read()
        async with asyncio.timeout(20):
            while proxy.accepted < 2:  # new streams go to a new connection once GOAWAY is here
                new = stub.Get(WEB)
                assert (await new.read()).HasField("add")
                new.cancel()
        topic.publish(frozenset({1, 2}))
        assert (await old.read()).HasField("add")
        old.cancel()
