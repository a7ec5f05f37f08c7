"""Calls to a server of ours, whatever engine it runs on."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry

from linkerd.rpc.client.channels import Channel, Channels
from linkerd.rpc.client.errors import CallError, DeadlineError, StatusError, UnreachableError
from linkerd.rpc.client.headers import end_of
from linkerd.rpc.client.options import ClientOptions
from linkerd.rpc.engines import Engine
from linkerd.rpc.errors import TableError
from linkerd.rpc.h2.server import H2Server
from linkerd.rpc.methods import signatures
from linkerd.rpc.options import ServerOptions
from linkerd.runtime.readiness import Readiness
from linkerd.runtime.values import HostPort
from linkerd.streams import StreamEnd
from linkerd.stubs.proxy import destination_pb2, identity_pb2
from tests.support.cut import CutProxy
from tests.support.eventually import eventually
from tests.support.rpc import NumbersTopic, World, apply

DESTINATION = signatures(destination_pb2.DESCRIPTOR.services_by_name["Destination"])
IDENTITY = signatures(identity_pb2.DESCRIPTOR.services_by_name["Identity"])
GET, CERTIFY = DESTINATION["Get"], IDENTITY["Certify"]


def certify(identity: str) -> identity_pb2.CertifyRequest:
    return identity_pb2.CertifyRequest(identity=identity)


def path(path: str) -> destination_pb2.GetDestination:
    return destination_pb2.GetDestination(path=path)


async def test_a_unary_method_answers(channel: Channel, world: World) -> None:
    metadata: dict[str, str | bytes] = {"zone": "a", "x-bin": b"\x00\xff"}
    answer = await channel.unary(CERTIFY, certify("web"), timeout=60, metadata=metadata)
    assert answer.intermediate_certificates == [b"web"]
    (seen,) = world.calls
    assert seen.metadata["zone"] == "a"
    assert seen.metadata["x-bin"] == b"\x00\xff"
    assert seen.time_remaining is not None
    assert 0 < seen.time_remaining <= 61


async def test_a_request_larger_than_a_window_arrives(channel: Channel) -> None:
    large = "x" * 1_000_000
    answer = await channel.unary(CERTIFY, certify(large), timeout=60)
    assert answer.intermediate_certificates == [large.encode()]


async def test_calls_share_a_connection(channels: Channels, channel: Channel, world: World) -> None:
    asked = [channel.unary(CERTIFY, certify(str(number)), timeout=60) for number in range(50)]
    answers = await asyncio.gather(*asked)
    assert [a.intermediate_certificates[0] for a in answers] == [b"%d" % n for n in range(50)]
    assert channels.connections == 1
    assert len({seen.peer for seen in world.calls}) == 1


async def test_a_status_is_an_error_with_its_code_and_message(channel: Channel) -> None:
    with pytest.raises(StatusError) as caught:
        await channel.unary(CERTIFY, certify("refuse"), timeout=60)
    assert caught.value.code is grpc.StatusCode.PERMISSION_DENIED
    assert caught.value.message.startswith("identity: refused!!!")


async def test_a_watch_brings_a_state_and_its_changes(channel: Channel, world: World) -> None:
    topic, numbers = world.topics["web"], set[int]()
    topic.publish(frozenset({1, 2}))
    async with channel.watch(GET, path("web")) as updates:
        apply(numbers, await anext(updates))
        assert numbers == {1, 2}
        topic.publish(frozenset({2, 3}))
        for _ in range(2):
            apply(numbers, await anext(updates))
        assert numbers == {2, 3}
    await asyncio.wait_for(topic.empty.wait(), 10)


@pytest.mark.parametrize("code", [grpc.StatusCode.OK, grpc.StatusCode.NOT_FOUND])
async def test_a_watch_ends_with_the_servers_status(
    channel: Channel, world: World, code: grpc.StatusCode
) -> None:
    topic = world.topics["web"]
    topic.publish(frozenset())
    async with channel.watch(GET, path("web")) as updates:
        await anext(updates)
        topic.end(StreamEnd(code, "no more: 100 % \N{SNOWMAN}"))
        if code is grpc.StatusCode.OK:
            assert [update async for update in updates] == []
            return
        with pytest.raises(StatusError) as caught:
            await anext(updates)
    assert (caught.value.code, caught.value.message) == (code, "no more: 100 % \N{SNOWMAN}")


async def test_the_deadline_ends_a_call_here_and_there(channel: Channel, world: World) -> None:
    with pytest.raises(DeadlineError):
        await channel.unary(CERTIFY, certify("wait"), timeout=0.2)
    await asyncio.wait_for(world.cancelled.wait(), 10)
    world.topics["web"].publish(frozenset())
    async with channel.watch(GET, path("web"), timeout=0.3) as updates:
        await anext(updates)
        with pytest.raises(DeadlineError):
            await anext(updates)


@pytest.mark.parametrize(
    ("code", "kind"), [(b"4", DeadlineError), (b"5", StatusError), (b"999", StatusError)]
)
def test_whoever_ends_a_call_that_took_too_long_it_is_one_error(
    code: bytes, kind: type[CallError]
) -> None:
    end = end_of([(b"grpc-status", code), (b"grpc-message", b"a%20word")])
    assert type(end) is kind
    assert end.message == "a word"


async def test_cancelling_reaches_the_server(channel: Channel, world: World) -> None:
    call = asyncio.ensure_future(channel.unary(CERTIFY, certify("wait"), timeout=60))
    await asyncio.wait_for(world.entered.wait(), 10)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.wait_for(world.cancelled.wait(), 10)


async def test_calls_beyond_the_peers_limit_wait_for_room(channels: Channels, world: World) -> None:
    server = H2Server(
        HostPort("127.0.0.1", 0),
        world.tables(),
        readiness=Readiness(),
        registry=CollectorRegistry(),
        options=ServerOptions(max_connection_streams=3),
    )
    channel = channels.channel(HostPort("127.0.0.1", await server.start()))

    async def first_message() -> None:
        async with channel.watch(GET, path("web"), timeout=60) as updates:
            await anext(updates)

    topic = world.topics["web"]
    calls = [asyncio.ensure_future(first_message()) for _ in range(10)]
    await eventually(lambda: topic.subscribers == 3, "as many as the server takes")
    topic.publish(frozenset({1}))
    await asyncio.gather(*calls)
    await server.stop(0)


async def test_a_slow_reader_holds_a_window_and_delays_no_other(
    channel: Channel, world: World
) -> None:
    slow = world.topics["slow"] = NumbersTopic(padding=30_000)
    world.topics["web"].publish(frozenset())
    slow.publish(frozenset())
    async with (
        channel.watch(GET, path("slow")) as updates,
        channel.watch(GET, path("web")) as others,
    ):
        await anext(updates)
        await anext(others)
        for number in range(1, 21):
            slow.publish(frozenset(range(number)))
            world.topics["web"].publish(frozenset({number}))
            for _ in range(1 if number == 1 else 2):
                await anext(others)
        numbers = set[int]()
        while len(numbers) < 20:
            apply(numbers, await anext(updates))
        assert slow.deltas < 20, "it skipped versions, so the server was held back"


async def test_a_message_over_the_limit_ends_its_call_alone(server: Engine, world: World) -> None:
    world.topics["large"] = NumbersTopic(padding=2_000)
    world.topics["large"].publish(frozenset({1}))
    async with Channels(ClientOptions(max_receive_bytes=1_000)) as channels:
        channel = channels.channel(HostPort("127.0.0.1", server.port))
        async with channel.watch(GET, path("large")) as updates:
            with pytest.raises(StatusError, match="the limit is 1000") as caught:
                await anext(updates)
        assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        await channel.unary(CERTIFY, certify("web"), timeout=60)
        assert channels.connections == 1


async def test_a_server_that_stops_ends_its_watches_and_is_unreachable(
    channel: Channel, server: Engine, world: World
) -> None:
    world.topics["web"].publish(frozenset())
    async with channel.watch(GET, path("web")) as updates:
        await anext(updates)
        await server.stop(0)
        assert [update async for update in updates] == []
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:\d+ cannot be reached"):
        await channel.unary(CERTIFY, certify("web"), timeout=60)


@pytest.mark.parametrize("how", ["cut", "stall"])
async def test_a_server_that_is_lost_ends_its_calls(server: Engine, world: World, how: str) -> None:
    world.topics["web"].publish(frozenset())
    brief = timedelta(milliseconds=200)
    options = ClientOptions(keepalive_interval=brief, keepalive_timeout=brief)
    async with (
        CutProxy("127.0.0.1", server.port) as proxy,
        Channels(options) as channels,
        channels.channel(HostPort("127.0.0.1", proxy.port)).watch(GET, path("web")) as updates,
    ):
        await anext(updates)
        if how == "cut":
            await proxy.cut()
        else:
            proxy.stall()
        with pytest.raises(UnreachableError, match=r"broke off|no sign of life"):
            await anext(updates)


async def test_a_silent_watch_lives_as_long_as_its_server_does(
    server: Engine, world: World
) -> None:
    topic = world.topics["web"]
    topic.publish(frozenset())
    brief = timedelta(milliseconds=50)
    options = ClientOptions(keepalive_interval=brief, keepalive_timeout=timedelta(seconds=30))
    async with Channels(options) as channels:
        channel = channels.channel(HostPort("127.0.0.1", server.port))
        async with channel.watch(GET, path("web")) as updates:
            await anext(updates)
            began = time.monotonic()
            late = asyncio.get_running_loop().call_later(0.5, topic.publish, frozenset({1}))
            await anext(updates)
            assert time.monotonic() - began >= 0.4
            late.cancel()


async def test_methods_are_called_as_their_kind(channel: Channel) -> None:
    with pytest.raises(TableError, match="streams: watch it"):
        await channel.unary(GET, path("web"), timeout=1)
    with pytest.raises(TableError, match="is unary"):
        async with channel.watch(CERTIFY, certify("web")):
            pass


@pytest.mark.parametrize(
    "metadata", [{"zone": b"x"}, {"zone-bin": "x"}, {"zone": "a\r\nb"}, {"zone": "\N{SNOWMAN}"}]
)
async def test_metadata_that_cannot_be_sent_is_refused(channel: Channel, metadata: Any) -> None:
    with pytest.raises(ValueError, match="metadata zone"):
        await channel.unary(CERTIFY, certify("web"), timeout=60, metadata=metadata)
