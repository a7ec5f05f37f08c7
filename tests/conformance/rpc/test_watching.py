"""Watching calls, whatever engine serves them."""

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest
from prometheus_client import CollectorRegistry

from linkerd.streams import StreamEnd
from linkerd.stubs.proxy import destination_pb2, destination_pb2_grpc
from tests.support.eventually import eventually
from tests.support.rpc import GET, NumbersTopic, World, apply

Stub = Any  # grpc.aio's side of destination_pb2_grpc.DestinationStub, which exists in stubs only


@pytest.fixture
def destination(channel: grpc.aio.Channel) -> Stub:
    return destination_pb2_grpc.DestinationStub(channel)


def request(path: str) -> destination_pb2.GetDestination:
    return destination_pb2.GetDestination(path=path)


async def failure(call: Any) -> tuple[grpc.StatusCode, str]:
    """The status of a stream that must fail at its next read."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    return caught.value.code(), caught.value.details() or ""


def count(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    """A counter of Get."""
    service = "io.linkerd.proxy.destination.Destination"
    common = {"grpc_type": "server_stream", "grpc_service": service, "grpc_method": "Get"}
    return registry.get_sample_value(name, {**common, **labels})


async def test_a_stream_brings_the_state_and_then_its_changes(
    destination: Stub, world: World
) -> None:
    topic, numbers = world.topics["web"], set[int]()
    topic.publish(frozenset({1, 2}))
    stream = destination.Get(request("web"))
    apply(numbers, await stream.read())
    assert numbers == {1, 2}
    topic.publish(frozenset({2, 3}))
    for _ in range(2):
        apply(numbers, await stream.read())
    assert numbers == {2, 3}
    stream.cancel()


async def test_nothing_is_sent_before_there_is_a_state(destination: Stub, world: World) -> None:
    stream = destination.Get(request("web"))
    reading = asyncio.ensure_future(stream.read())
    topic = world.topics["web"]
    await eventually(lambda: topic.subscribers == 1, "the subscription")
    assert not reading.done()
    topic.publish(frozenset())
    update = await asyncio.wait_for(reading, 10)
    assert update.HasField("add")
    assert not update.add.addrs
    stream.cancel()


@pytest.mark.parametrize("code", [grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAVAILABLE])
async def test_a_stream_ends_with_the_status_that_the_topic_says(
    destination: Stub, world: World, code: grpc.StatusCode
) -> None:
    topic = world.topics["web"]
    topic.publish(frozenset())
    stream = destination.Get(request("web"))
    await stream.read()
    topic.end(StreamEnd(code, "path: is no more"))
    assert await failure(stream) == (code, "path: is no more")
    await asyncio.wait_for(topic.empty.wait(), 10)


async def test_a_stream_may_end_cleanly(destination: Stub, world: World) -> None:
    topic = world.topics["web"]
    topic.publish(frozenset())
    stream = destination.Get(request("web"))
    await stream.read()
    topic.end(StreamEnd(grpc.StatusCode.OK))
    assert await stream.read() is grpc.aio.EOF
    assert await stream.code() is grpc.StatusCode.OK


async def test_the_subscription_closes_when_the_client_cancels(
    destination: Stub, world: World, registry: CollectorRegistry
) -> None:
    topic = world.topics["web"]
    topic.publish(frozenset())
    stream = destination.Get(request("web"))
    await stream.read()
    stream.cancel()
    await asyncio.wait_for(topic.empty.wait(), 10)
    handled = "grpc_server_handled_total"
    await eventually(lambda: count(registry, handled, grpc_code="Canceled") == 1, "the count")


async def test_the_subscription_closes_before_its_first_message(
    destination: Stub, world: World
) -> None:
    topic = world.topics["web"]
    stream = destination.Get(request("web"))
    await eventually(lambda: topic.subscribers == 1, "the subscription")
    stream.cancel()
    await asyncio.wait_for(topic.empty.wait(), 10)


async def test_a_method_that_still_sets_up_is_cancelled_with_its_client(
    destination: Stub, world: World
) -> None:
    stream = destination.GetProfile(request("wait"))
    await asyncio.wait_for(world.entered.wait(), 10)
    stream.cancel()
    await asyncio.wait_for(world.cancelled.wait(), 10)


async def test_all_subscriptions_of_a_lost_connection_close(server: Any, world: World) -> None:
    topic = world.topics["web"]
    topic.publish(frozenset())
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub: Stub = destination_pb2_grpc.DestinationStub(channel)
        streams = [stub.Get(request("web")) for _ in range(20)]
        for stream in streams:
            await stream.read()
        assert topic.subscribers == 20
    await asyncio.wait_for(topic.empty.wait(), 10)


async def test_streams_in_step_share_each_delta(
    destination: Stub, world: World, registry: CollectorRegistry
) -> None:
    topic = world.topics["web"]
    topic.publish(frozenset({1}))
    streams = [destination.Get(request("web")) for _ in range(100)]
    for stream in streams:
        await stream.read()
    topic.publish(frozenset({1, 2}))
    for stream in streams:
        await stream.read()
    assert topic.deltas == 2
    await eventually(lambda: count(registry, "grpc_server_msg_sent_total") == 200, "the count")
    assert count(registry, "grpc_server_started_total") == 100
    assert count(registry, "grpc_server_msg_received_total") == 100


@pytest.mark.parametrize("how", ["crash", "nonsense", "broken-delta"])
async def test_our_mistakes_are_internal_and_keep_their_secrets(
    destination: Stub, world: World, how: str
) -> None:
    code, message = await failure(destination.GetProfile(request(how)))
    assert code is grpc.StatusCode.INTERNAL
    assert message.startswith("internal error; the server's log has it under ")
    world.topics["web"].publish(frozenset())
    stream = destination.Get(request("web"))
    assert (await stream.read()).HasField("add")
    stream.cancel()


async def test_a_subscription_that_cannot_close_changes_no_status(destination: Stub) -> None:
    stream = destination.GetProfile(request("broken-close"))
    assert await stream.read() is grpc.aio.EOF
    assert await stream.code() is grpc.StatusCode.OK


async def test_a_refusal_has_its_code_and_a_short_message(destination: Stub) -> None:
    code, message = await failure(destination.GetProfile(request("refuse")))
    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert len(message) <= 1000


async def test_an_undecodable_request_is_named(channel: grpc.aio.Channel) -> None:
    method: Any = channel.unary_stream(GET)
    code, message = await failure(method(b"\xff\xff\xff"))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert message == "request is not a valid io.linkerd.proxy.destination.GetDestination message"


async def test_a_reader_that_stops_reading_disturbs_nobody_and_catches_up_at_once(
    destination: Stub, world: World
) -> None:
    topic = world.topics["web"] = NumbersTopic(padding=10_000)
    topic.publish(frozenset({0}))
    lazy, brisk = destination.Get(request("web")), destination.Get(request("web"))
    lazy_numbers, brisk_numbers = set[int](), set[int]()
    apply(lazy_numbers, await lazy.read())
    apply(brisk_numbers, await brisk.read())
    state = frozenset({0})
    for n in range(1, 1001):
        state ^= {n % 7}
        topic.publish(state)
        apply(brisk_numbers, await asyncio.wait_for(brisk.read(), 10))
    assert brisk_numbers == state
    reads = 0
    while lazy_numbers != state:
        apply(lazy_numbers, await asyncio.wait_for(lazy.read(), 10))
        reads += 1
    # What fills the flow-control windows is old; after it comes one delta to the present.
    assert reads < 100
    lazy.cancel()
    brisk.cancel()
