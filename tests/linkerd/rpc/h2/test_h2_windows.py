"""Flow control: nothing beyond the windows, nothing polled without room, nobody starved."""

from typing import Any

import pytest
from h2.settings import SettingCodes

from linkerd.rpc.h2 import large_messages
from linkerd.rpc.h2.limits import WRITE_BYTES
from linkerd.rpc.h2.server import H2Server
from linkerd.stubs.proxy import destination_pb2, identity_pb2
from tests.support.eventually import eventually
from tests.support.http2 import RawClient
from tests.support.rpc import CERTIFY, GET, NumbersTopic, World, apply

LARGE = 100_000
WIDE = 2**31 - 1


def watch(path: str = "web") -> bytes:
    return destination_pb2.GetDestination(path=path).SerializeToString()


def certify(identity: str) -> bytes:
    return identity_pb2.CertifyRequest(identity=identity).SerializeToString()


@pytest.fixture
def large(world: World) -> NumbersTopic:
    """A topic whose first message has LARGE bytes and some."""
    topic = world.topics["web"] = NumbersTopic(padding=LARGE)
    topic.publish(frozenset({1}))
    return topic


@pytest.mark.parametrize("window", [0, 1, 4, 5, 6, 1000])
async def test_a_message_comes_in_the_pieces_that_there_is_room_for(
    server: H2Server, large: NumbersTopic, window: int
) -> None:
    async with RawClient(server.port, window=window) as client:
        client.give(1 << 20)
        stream = client.open(GET, watch())
        heard = client.heard[stream]
        await client.until(lambda: len(heard.data) == window, "what there is room for")
        for size in (1, 2, 3, 500):
            client.give(size, stream)
            await client.pong()
            await client.until(lambda: client.wire.remote_flow_control_window(stream) == 0, "more")
        client.give(2 * LARGE, stream)
        await client.until(heard.messages, "the whole message")
        numbers = set[int]()
        apply(numbers, destination_pb2.Update.FromString(heard.messages()[0]))
        assert numbers == {1}
        assert max(heard.frames) <= 16384


@pytest.mark.parametrize(("allowed", "largest"), [(16384, 16384), (20000, 20000), (1 << 20, 65536)])
async def test_frames_are_as_large_as_the_peer_takes_and_no_larger_than_is_fair(
    server: H2Server, large: NumbersTopic, allowed: int, largest: int
) -> None:
    async with RawClient(server.port, window=1 << 20, max_frame=allowed) as client:
        client.give(1 << 20)
        heard = client.heard[client.open(GET, watch())]
        await client.until(heard.messages, "the message")
        assert max(heard.frames) == largest


async def test_the_connections_window_holds_all_streams_but_no_status(
    server: H2Server, large: NumbersTopic
) -> None:
    async with RawClient(server.port, window=WIDE) as client:
        streams = [client.open(GET, watch()) for _ in range(3)]

        def whole() -> int:
            return sum(len(client.heard[stream].data) for stream in streams)

        await client.until(lambda: whole() == 65535, "a full window")
        assert (await client.result(client.open(CERTIFY, certify("refuse")))).status == "7"
        assert whole() == 65535
        client.give(10 * LARGE)
        for stream in streams:
            await client.until(client.heard[stream].messages, "a message")


async def test_a_stream_without_room_is_not_polled_and_hears_the_latest(
    server: H2Server, world: World
) -> None:
    topic = world.topics["web"]
    topic.publish(frozenset({1}))
    async with RawClient(server.port, window=0) as client:
        stream = client.open(GET, watch())
        await eventually(lambda: topic.subscribers == 1, "the subscription")
        for n in range(100):
            topic.publish(frozenset({n}))
            await client.pong()
        assert topic.deltas == 0
        client.give(10_000, stream)
        heard = client.heard[stream]
        await client.until(heard.messages, "a message")
        numbers = set[int]()
        apply(numbers, destination_pb2.Update.FromString(heard.messages()[0]))
        assert numbers == {99}
        assert topic.deltas == 1


async def test_settings_move_the_windows_of_open_streams(
    server: H2Server, large: NumbersTopic
) -> None:
    async with RawClient(server.port, window=1000) as client:
        stream = client.open(GET, watch())
        heard = client.heard[stream]
        await client.until(lambda: len(heard.data) == 1000, "a full window")
        client.wire.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 10})  # 990 too many
        client.send()
        await client.pong()
        client.give(990, stream)
        await client.pong()
        assert len(heard.data) == 1000
        client.give(1, stream)
        await client.until(lambda: len(heard.data) == 1001, "one byte")
        client.wire.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 2 * LARGE})
        client.send()
        client.give(2 * LARGE)
        await client.until(heard.messages, "the whole message")


async def test_a_small_message_does_not_wait_for_large_ones(server: H2Server, world: World) -> None:
    world.topics["large"] = NumbersTopic(padding=5_000_000)
    world.topics["large"].publish(frozenset({1}))
    world.topics["small"].publish(frozenset({1}))
    async with RawClient(server.port, window=WIDE) as client:
        client.give(WIDE - 65535)
        large = [client.open(GET, watch("large")) for _ in range(3)]
        small = client.open(GET, watch("small"))
        await client.until(client.heard[small].messages, "the small message")
        assert all(len(client.heard[stream].data) < 4_000_000 for stream in large)
        for stream in large:
            await client.until(client.heard[stream].messages, "a large message")


async def begun(client: RawClient, streams: list[int], count: int) -> None:
    """Reads until just `count` of the streams have a full window."""

    def heard() -> int:
        return sum(len(client.heard[stream].data) >= 1000 for stream in streams)

    await client.until(lambda: heard() >= count, "the first windows")
    await client.pong()
    assert heard() == count


@pytest.mark.parametrize("through", [True, False])
async def test_large_messages_are_sent_a_few_at_a_time(
    monkeypatch: pytest.MonkeyPatch, server: H2Server, large: NumbersTopic, *, through: bool
) -> None:
    monkeypatch.setattr(large_messages, "_PATIENCE", 60)
    async with RawClient(server.port, window=1000) as client:
        client.give(100 * LARGE)
        streams = [client.open(GET, watch()) for _ in range(20)]
        await begun(client, streams, 8)
        # A message that fits its window waits for none of them.
        assert (await client.result(client.open(CERTIFY, certify("web")))).status == "0"
        for stream in streams[:3]:
            if through:
                client.give(2 * LARGE, stream)
                await client.until(client.heard[stream].messages, "a message")
            else:
                client.wire.reset_stream(stream)
        client.send()
        await begun(client, streams, 11)


async def test_readers_that_stall_hold_up_nobody_for_long(
    server: H2Server, large: NumbersTopic
) -> None:
    async with RawClient(server.port, window=1000) as client:
        client.give(100 * LARGE)
        streams = [client.open(GET, watch()) for _ in range(30)]
        for stream in streams:
            await client.until(lambda: len(client.heard[stream].data) == 1000, "a window")  # noqa: B023
        client.give(2 * LARGE, streams[-1])
        await client.until(client.heard[streams[-1]].messages, "a message")


async def test_a_reader_that_never_reads_costs_a_bounded_buffer(
    server: H2Server, world: World
) -> None:
    """100 streams of 1 MB to a client that gives all the room there is and reads nothing."""
    world.topics["web"] = NumbersTopic(padding=1_000_000)
    world.topics["web"].publish(frozenset({1}))
    async with RawClient(server.port, window=WIDE) as lazy, RawClient(server.port) as brisk:
        lazy.give(WIDE - 65535)
        streams = [lazy.open(GET, watch()) for _ in range(100)]
        await eventually(lambda: world.topics["web"].subscribers == 100, "the subscriptions")
        peak = 0
        for _ in range(50):
            await brisk.result(brisk.open(CERTIFY, certify("web")))
            peak = max(peak, *map(buffered, server._shared.connections))
        assert 0 < peak <= WRITE_BYTES + (64 << 10)  # and a frame
        # One message for all of them, which each has a view of.
        assert world.topics["web"].deltas == 1
        for stream in streams:
            await lazy.until(lazy.heard[stream].messages, "a message")


def buffered(connection: Any) -> int:
    """What waits in the process for the kernel."""
    size: int = connection._transport.get_write_buffer_size()
    return size
