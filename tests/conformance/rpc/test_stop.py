"""The orderly end of a server. Id of the catalogue: T99."""

import asyncio
from datetime import timedelta
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client import CollectorRegistry

from linkerd.runtime.readiness import Readiness
from linkerd.runtime.values import HostPort
from linkerd.stubs.proxy import (
    destination_pb2,
    destination_pb2_grpc,
    identity_pb2,
    identity_pb2_grpc,
)
from tests.support.clock import FakeClock
from tests.support.eventually import eventually
from tests.support.half_reader import HalfReader
from tests.support.rpc import NumbersTopic, World

pb: Any = health_pb2
# What becomes of a call that meets a server which goes away. CANCELLED: it was sent before the
# GOAWAY came, and nobody served it; DEADLINE_EXCEEDED: that, while other calls were in progress.
REFUSALS = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}
WEB = destination_pb2.GetDestination(path="web")


class Client:
    """Stubs on one connection."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.destination: Any = destination_pb2_grpc.DestinationStub(channel)
        self.identity: Any = identity_pb2_grpc.IdentityStub(channel)
        self.health: Any = health_pb2_grpc.HealthStub(channel)


@pytest.fixture
def client(channel: grpc.aio.Channel) -> Client:
    return Client(channel)


async def test_the_lame_duck_is_unready_but_serves(
    serve: Any, world: World, readiness: Readiness, clock: FakeClock
) -> None:
    server = await serve(lame_duck=timedelta(seconds=5))
    world.topics["web"].publish(frozenset({1}))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        client = Client(channel)
        old, watch = client.destination.Get(WEB), client.health.Watch(pb.HealthCheckRequest())
        assert (await old.read()).HasField("add")
        assert (await watch.read()).status == pb.HealthCheckResponse.SERVING
        assert readiness.waiting == []

        stopping = asyncio.create_task(server.stop(5))
        assert (await watch.read()).status == pb.HealthCheckResponse.NOT_SERVING
        assert readiness.waiting == ["grpc"]
        new = client.destination.Get(WEB)
        assert (await new.read()).HasField("add")
        world.topics["web"].publish(frozenset({1, 2}))
        assert (await old.read()).HasField("add")
        assert not stopping.done()

        await clock.advance(5)
        for stream in (old, watch):
            assert await stream.read() is grpc.aio.EOF
            assert await stream.code() is grpc.StatusCode.OK
        await asyncio.wait_for(stopping, 10)
        assert world.topics["web"].subscribers == 0


async def first_refusal(client: Client) -> grpc.StatusCode:
    """Calls until one is refused, which those that race with the GOAWAY are not."""
    while True:
        try:
            await client.identity.Certify(identity_pb2.CertifyRequest(identity="new"), timeout=5)
        except grpc.aio.AioRpcError as error:
            return error.code()


async def test_unary_calls_finish_within_the_grace(
    server: Any, client: Client, world: World
) -> None:
    call = asyncio.ensure_future(
        client.identity.Certify(identity_pb2.CertifyRequest(identity="wait"))
    )
    await asyncio.wait_for(world.entered.wait(), 10)
    stopping = asyncio.create_task(server.stop(30))
    assert await first_refusal(client) in REFUSALS
    assert not stopping.done()
    world.release.set()
    answer = await asyncio.wait_for(call, 10)
    assert answer.intermediate_certificates == [b"wait"]
    await asyncio.wait_for(stopping, 10)


async def test_calls_beyond_the_grace_are_cancelled(
    server: Any, client: Client, world: World
) -> None:
    call = asyncio.ensure_future(
        client.identity.Certify(identity_pb2.CertifyRequest(identity="wait"))
    )
    await asyncio.wait_for(world.entered.wait(), 10)
    await asyncio.wait_for(server.stop(0.1), 10)
    with pytest.raises(grpc.aio.AioRpcError):
        await call
    await asyncio.wait_for(world.cancelled.wait(), 10)


async def test_many_streams_end_cleanly_and_at_once(
    server: Any, client: Client, world: World
) -> None:
    world.topics["web"].publish(frozenset({1}))
    streams = [client.destination.Get(WEB) for _ in range(500)]
    for stream in streams:
        await stream.read()
    await asyncio.wait_for(server.stop(30), 10)
    codes = await asyncio.gather(*(stream.code() for stream in streams))
    assert set(codes) == {grpc.StatusCode.OK}
    assert world.topics["web"].subscribers == 0


async def test_t99_a_reader_that_is_stuck_does_not_hold_it_up(server: Any, world: World) -> None:
    topic = world.topics["web"] = NumbersTopic(padding=100_000)
    topic.publish(frozenset({1}))
    reader = HalfReader(server.port)
    assert await reader.read("web") > 0
    topic.publish(frozenset({1, 2}))
    await asyncio.wait_for(server.stop(1), 10)
    await asyncio.wait_for(topic.empty.wait(), 10)
    await reader.close()


async def test_calls_that_race_with_the_end_do_not_hold_it_up(
    server: Any, client: Client, world: World
) -> None:
    async def hammer() -> grpc.StatusCode:
        while True:
            try:
                await client.identity.Certify(identity_pb2.CertifyRequest(identity="new"))
            except grpc.aio.AioRpcError as error:
                return error.code()

    hammers = [asyncio.create_task(hammer()) for _ in range(50)]
    await eventually(lambda: len(world.calls) > 200, "some calls")
    await asyncio.wait_for(server.stop(60), 10)
    assert set(await asyncio.gather(*hammers)) <= REFUSALS


async def test_a_client_that_explores_does_not_hold_it_up(serve: Any) -> None:
    """A reflection stream is no call of ours; it is cut when ours have ended."""
    server = await serve(reflection=True)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        make: Any = reflection_pb2_grpc.ServerReflectionStub  # typed for blocking channels only
        stream = make(channel).ServerReflectionInfo()
        await stream.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        await stream.read()
        await asyncio.wait_for(server.stop(60), 10)
        assert await stream.code() in REFUSALS


async def test_stopping_twice_and_without_a_start_is_harmless(
    engine: Any, serve: Any, world: World
) -> None:
    server = await serve()
    await asyncio.gather(*(server.stop(grace) for grace in (5, 0, 1)))
    await server.stop(0)
    never = engine(
        HostPort("127.0.0.1", 0),
        world.tables(),
        readiness=Readiness(),
        registry=CollectorRegistry(),
    )
    await never.stop(0)


async def test_the_port_is_free_again(serve: Any) -> None:
    server = await serve()
    port = server.port
    await server.stop(0)
    again = await serve(HostPort("127.0.0.1", port))
    assert again.port == port
