"""What unfinished requests, conversations and connections may hold; and that it is given back."""

import asyncio
import contextlib
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection_pb2
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated
from prometheus_client import CollectorRegistry

from linkerd.rpc.h2 import limits
from linkerd.rpc.h2.receiving import Holdings
from linkerd.rpc.h2.server import H2Server
from linkerd.rpc.options import ServerOptions
from linkerd.stubs.proxy import destination_pb2, identity_pb2
from tests.support.eventually import eventually
from tests.support.http2 import RawClient, frame, framed
from tests.support.rpc import CERTIFY, GET, World
from tests.support.sessions import Dialogue
from tests.support.sessions import fields as request

HELLO = identity_pb2.CertifyRequest(identity="web").SerializeToString()
WATCH = destination_pb2.GetDestination(path="web").SerializeToString()
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"


def held(server: H2Server) -> Holdings:
    """Of the process."""
    return server._shared.held


async def test_bytes_of_requests_that_are_reset_are_given_back(server: H2Server) -> None:
    """They stayed counted until the connection ended, and good calls were refused."""
    part = b"\0\0\x10\0\0" + bytes(30_000)  # of a message of 1 MiB
    async with RawClient(server.port) as client:
        for _ in range(limits.MAX_HELD_BYTES // len(part) + 2):
            stream = client.open(CERTIFY, end=False)
            for at in range(0, len(part), 16384):
                client.wire.send_data(stream, part[at : at + 16384])
            await client.pong()
            client.wire.reset_stream(stream)
        good = identity_pb2.CertifyRequest(identity="x" * 15_000).SerializeToString()
        assert (await client.result(client.open(CERTIFY, good))).status == "0"
    await eventually(lambda: held(server).unfinished == 0, "the end of all requests")


async def test_all_connections_share_a_bound_of_held_bytes(
    serve: Any, world: World, registry: CollectorRegistry
) -> None:
    server = await serve(max_held_bytes=100_000)
    async with RawClient(server.port) as one, RawClient(server.port) as two:
        first = one.open(CERTIFY, end=False)
        one.wire.send_data(first, b"\0\0\x10\0\0" + bytes(16_000))
        for _ in range(8):  # headers are held, too
            one.open(CERTIFY, end=False, headers={"padding": "x" * 10_000})
        one.send()
        await one.pong()
        heard = await two.result(two.open(CERTIFY, HELLO, headers={"padding": "x" * 10_000}))
        assert heard.status == str(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
        # Those of usual size do not suffer from it.
        assert (await two.result(two.open(CERTIFY, HELLO))).status == "0"
        assert (await one.result(one.open(CERTIFY, HELLO))).status == "0"
    await eventually(lambda: held(server).bytes == 0, "the end of all requests")


async def test_requests_that_are_not_whole_are_counted_over_all_connections(serve: Any) -> None:
    server = await serve(max_pending_calls=5)
    async with RawClient(server.port) as one, RawClient(server.port) as two:
        streams = [one.open(CERTIFY, end=False) for _ in range(5)]
        await one.pong()
        late = await two.result(two.open(CERTIFY, end=False))
        assert late.reset == ErrorCodes.REFUSED_STREAM
        one.wire.reset_stream(streams[0])
        one.send()
        await one.pong()
        assert (await two.result(two.open(CERTIFY, HELLO))).status == "0"


async def test_headers_are_let_go_when_the_method_has_returned(
    server: H2Server, world: World
) -> None:
    """A stream that watches may stay for weeks."""
    world.topics["web"].publish(frozenset({1}))
    async with RawClient(server.port) as client:
        stream = client.open(GET, WATCH, headers={"padding": "x" * 10_000})
        await client.until(client.heard[stream].messages, "a message")
        (seen,) = world.calls
        assert seen.metadata["padding"] == "x" * 10_000
        assert seen.call.metadata == {}
        assert held(server).bytes == 0


async def test_connections_beyond_the_limit_are_closed_at_once(
    serve: Any, registry: CollectorRegistry
) -> None:
    server = await serve(max_connections=2)

    def refused() -> float | None:
        return registry.get_sample_value(
            "grpc_server_connections_refused_total", {"reason": "limit"}
        )

    async with contextlib.AsyncExitStack() as clients:
        for _ in range(2):
            client = await clients.enter_async_context(RawClient(server.port))
            assert (await client.result(client.open(CERTIFY, HELLO))).status == "0"
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
        assert refused() == 1
    await eventually(lambda: not server._shared.connections, "the end of the others")
    async with RawClient(server.port) as client:
        assert (await client.result(client.open(CERTIFY, HELLO))).status == "0"


async def test_questions_that_nobody_reads_the_answers_of_are_bounded(serve: Any) -> None:
    """A stream held 600 MiB of them."""
    server = await serve(reflection=True)
    question = reflection_pb2.ServerReflectionRequest(
        file_containing_symbol="x" * 3000
    ).SerializeToString()
    async with RawClient(server.port, window=0) as client:
        stream = client.open(REFLECTION, question, end=False)
        for _ in range(30):
            await client.pong()
            assert held(server).bytes <= 101 * len(question)
            if client.heard[stream].over:
                break
            client.send(frame(0, 0, stream, framed(question) * 5))
        assert client.heard[stream].status == str(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
        assert held(server).bytes == 0
        large = reflection_pb2.ServerReflectionRequest(list_services="x" * 5000)
        heard = await client.result(client.open(REFLECTION, large.SerializeToString()))
        assert heard.status == str(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])


async def test_answers_under_way_count_as_held(serve: Any) -> None:
    server = await serve(reflection=True)
    question = reflection_pb2.ServerReflectionRequest(
        file_containing_symbol="io.linkerd.proxy.destination.Destination"
    ).SerializeToString()
    async with RawClient(server.port, window=10) as client:
        streams = [client.open(REFLECTION, question, end=False) for _ in range(5)]
        await client.pong()
        await eventually(lambda: held(server).bytes > 5 * 1000, "answers that are partly sent")
        for stream in streams:
            client.give(1 << 16, stream)
            await client.until(client.heard[stream].messages, "the whole answer")
        await eventually(lambda: held(server).bytes == 0, "the end of all answers")


def test_the_goaway_is_the_last_word_also_when_an_end_is_pending() -> None:
    """It was lost, and a line with a stack trace was logged instead."""
    talk = Dialogue()
    talk.settle()
    stream = talk.client.get_next_available_stream_id()
    talk.client.send_headers(stream, request(CERTIFY))
    talk.client.send_data(stream, framed(HELLO), end_stream=True)
    talk.deliver()
    talk.turn(room=0)  # the call is answered, but nothing is sent
    talk.session.receive(frame(0, 0, 0, b"data on no stream"))
    talk.turn()
    (end,) = [each for each in talk.events if isinstance(each, ConnectionTerminated)]
    assert end.error_code == ErrorCodes.PROTOCOL_ERROR
    assert talk.session.over
    assert talk.ended == {stream: 1}


def test_a_header_block_that_does_not_get_on_ends_its_connection() -> None:
    """Nothing else may come before it ends, no answer to a PING either."""
    talk = Dialogue()
    talk.settle()
    talk.session.receive(frame(1, 0, 1, b"\x83"))
    talk.turn()
    talk.session.sweep()
    before = talk.session.over
    talk.session.receive(frame(9, 0, 1, b"\x86"))
    talk.turn()
    talk.session.sweep()
    assert (before, talk.session.over) == (False, True)
    talk.turn()
    (end,) = [each for each in talk.events if isinstance(each, ConnectionTerminated)]
    assert end.error_code == ErrorCodes.ENHANCE_YOUR_CALM


async def test_what_comes_after_the_last_words_is_not_kept(server: H2Server) -> None:
    async with RawClient(server.port) as client:
        client.send(frame(0, 0, 0, b"data on no stream"))
        await client.until(lambda: client.goaway is not None, "the GOAWAY")
        (connection,) = server._shared.connections
        client.send(bytes(1 << 20))
        other = RawClient(server.port)
        async with other:
            assert (await other.result(other.open(CERTIFY, HELLO))).status == "0"
        assert not connection._arrived


def test_a_turn_takes_frames_one_by_one_and_charges_before_it_acts() -> None:
    """SETTINGS under many streams blocked everybody for as long as a read's worth took."""
    talk = Dialogue(ServerOptions(max_connection_streams=3000))
    talk.settle()
    talk.world.topics["web"].publish(frozenset({1}))
    for _ in range(1000):
        stream = talk.client.get_next_available_stream_id()
        talk.client.send_headers(stream, request(GET))
        talk.client.send_data(stream, framed(WATCH), end_stream=True)
    talk.settle()
    walked = talk.session._wire.streams = _Walked(talk.session._wire.streams)
    flood = frame(4, 0, 0, b"\0\4\0\0\0\0") + frame(4, 0, 0, b"\0\4\0\0\xff\xff")
    talk.session.receive(flood * 1000)
    spent = talk.session._flood_meter.spent
    for frames in range(1, 101):
        talk.turn(frames=1, heard=False)
        assert talk.session._flood_meter.spent - spent == 4 * frames
    assert walked.walks == 0


class _Walked(dict[int, Any]):
    """Counts how often somebody looks at all of it."""

    walks = 0

    def values(self) -> Any:
        self.walks += 1
        return super().values()
