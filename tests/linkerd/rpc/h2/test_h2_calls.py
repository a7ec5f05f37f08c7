"""Calls as bytes on the wire: what gRPC's clients never send, and what they never look at."""

import asyncio
import socket
from datetime import timedelta
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2
from h2.errors import ErrorCodes
from prometheus_client import CollectorRegistry

from linkerd.rpc.h2.server import H2Server
from linkerd.streams import StreamEnd
from linkerd.stubs.proxy import destination_pb2, identity_pb2
from tests.support.eventually import eventually
from tests.support.http2 import RawClient, frame, framed
from tests.support.rpc import CERTIFY, GET, GET_PROFILE, NumbersTopic, World

HEADERS, DATA, WINDOW_UPDATE = 1, 0, 8
END_STREAM, END_HEADERS = 1, 4


def certify(identity: str) -> bytes:
    return identity_pb2.CertifyRequest(identity=identity).SerializeToString()


def watch(path: str = "web") -> bytes:
    return destination_pb2.GetDestination(path=path).SerializeToString()


async def test_an_answer_is_headers_a_message_and_trailers(server: H2Server) -> None:
    async with RawClient(server.port) as client:
        heard = await client.result(client.open(CERTIFY, certify("web")))
        assert heard.headers[":status"] == "200"
        assert heard.headers["content-type"] == "application/grpc"
        assert heard.trailers == {"grpc-status": "0"}
        (message,) = heard.messages()
        answer = identity_pb2.CertifyResponse.FromString(message)
        assert answer.intermediate_certificates == [b"web"]
        assert heard.reset is None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "application/json"}, "415"),
        ({"content-type": "application/grpcish"}, "415"),
        ({":method": "GET"}, "405"),
    ],
)
async def test_what_is_not_grpc_is_refused_by_http(
    server: H2Server, headers: dict[str, str], status: str
) -> None:
    async with RawClient(server.port) as client:
        heard = await client.result(client.open(CERTIFY, certify("web"), headers=headers))
        assert heard.headers[":status"] == status
        good = await client.result(client.open(CERTIFY, certify("web")))
        assert good.status == "0"


@pytest.mark.parametrize("kind", ["application/grpc+proto", "application/grpc;charset=utf-8"])
async def test_grpc_has_other_spellings(server: H2Server, kind: str) -> None:
    headers = {"content-type": kind, "te": ""}  # some proxies lose it
    async with RawClient(server.port) as client:
        heard = await client.result(client.open(CERTIFY, certify("web"), headers=headers))
        assert heard.status == "0"


async def test_an_unknown_method_is_answered_before_its_request_ends(server: H2Server) -> None:
    async with RawClient(server.port) as client:
        stream = client.open("/no.such/Method", b"x", end=False)
        heard = await client.result(stream)
        assert heard.headers["grpc-status"] == "12"
        assert heard.ended
        await client.until(lambda: heard.reset == ErrorCodes.NO_ERROR, "the reset")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (framed(certify("web"), compressed=1), "12"),
        (b"", "12"),
        (framed(certify("a")) + framed(certify("b")), "12"),
        (framed(certify("web"))[:-1], "13"),
        (b"\0\0", "13"),
        (b"\0\xff\xff\xff\xff", "8"),
    ],
    ids=["compressed", "none", "two", "cut", "cut-prefix", "endless"],
)
async def test_requests_that_are_not_one_message(
    server: H2Server, world: World, body: bytes, status: str
) -> None:
    async with RawClient(server.port) as client:
        stream = client.open(CERTIFY, end=False)
        client.send(frame(DATA, END_STREAM, stream, body))
        assert (await client.result(stream)).status == status
        assert not world.calls


async def test_calls_that_are_over_leave_nothing_behind(server: H2Server, world: World) -> None:
    async with RawClient(server.port) as client:
        for _ in range(10):
            assert (await client.result(client.open(CERTIFY, certify("web")))).status == "0"
            client.open(GET, watch())
            await client.pong()
            client.wire.reset_stream(client.wire.highest_outbound_stream_id)
            client.open("/no.such/Method", b"x", end=False)
            await client.pong()
        (connection,) = server._shared.connections
        session = connection._session
        assert session is not None
        assert session.streams == 0
        assert session._wire.streams == {}


async def test_a_malformed_timeout_is_internal(server: H2Server) -> None:
    async with RawClient(server.port) as client:
        stream = client.open(CERTIFY, certify("web"), headers={"grpc-timeout": "1 hour"})
        assert (await client.result(stream)).status == "13"


async def test_a_stream_ends_at_its_deadline(
    server: H2Server, world: World, registry: CollectorRegistry
) -> None:
    topic = world.topics["web"]
    topic.publish(frozenset({1}))
    async with RawClient(server.port) as client:
        stream = client.open(GET, watch(), headers={"grpc-timeout": "200m"})
        heard = await client.result(stream)
        assert len(heard.messages()) == 1
        assert heard.trailers["grpc-status"] == "4"
        assert topic.subscribers == 0
        assert handled(registry, "DeadlineExceeded") == 1


def handled(registry: CollectorRegistry, code: str) -> float | None:
    """How many calls of Get ended with `code`."""
    labels = {
        "grpc_type": "server_stream",
        "grpc_service": "io.linkerd.proxy.destination.Destination",
        "grpc_method": "Get",
        "grpc_code": code,
    }
    return registry.get_sample_value("grpc_server_handled_total", labels)


async def test_a_deadline_within_a_message_resets(
    server: H2Server, world: World, registry: CollectorRegistry
) -> None:
    world.topics["web"] = NumbersTopic(padding=100_000)
    world.topics["web"].publish(frozenset({1}))
    async with RawClient(server.port, window=1000) as client:
        stream = client.open(GET, watch(), headers={"grpc-timeout": "200m"})
        heard = await client.result(stream)
        assert heard.reset == ErrorCodes.CANCEL
        assert world.topics["web"].subscribers == 0
        assert handled(registry, "DeadlineExceeded") == 1


async def test_a_refusal_says_why_in_ascii(server: H2Server, world: World) -> None:
    topic = world.topics["web"]
    topic.publish(frozenset())
    async with RawClient(server.port) as client:
        stream = client.open(GET, watch())
        await client.until(client.heard[stream].messages, "the first message")
        topic.end(StreamEnd(grpc.StatusCode.NOT_FOUND, "path: 100% größer"))
        heard = await client.result(stream)
        assert heard.trailers == {
            "grpc-status": "5",
            "grpc-message": "path: 100%25 gr%C3%B6%C3%9Fer",
        }


async def test_a_client_that_never_ends_its_request_is_told_to(serve: Any) -> None:
    server = await serve(keepalive_interval=timedelta(milliseconds=100))
    async with RawClient(server.port) as client:
        stream = client.open(CERTIFY, certify("web"), end=False)
        heard = await client.result(stream)
        assert heard.status == "1"
        await client.until(lambda: heard.reset == ErrorCodes.NO_ERROR, "the reset")
        good = await client.result(client.open(CERTIFY, certify("web")))
        assert good.status == "0"


async def test_a_conversation_may_take_its_time(serve: Any) -> None:
    server = await serve(reflection=True, keepalive_interval=timedelta(milliseconds=50))
    path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    request = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
    async with RawClient(server.port) as client:
        stream = client.open(path, request, end=False)
        heard = client.heard[stream]
        other = client.open(CERTIFY, certify("web"), end=False)
        await client.result(other)  # cut after two beats
        assert not heard.over
        client.send(frame(DATA, END_STREAM, stream, framed(request)))
        assert (await client.result(stream)).status == "0"
        assert len(heard.messages()) == 2


async def test_a_question_that_is_none_ends_its_conversation(serve: Any) -> None:
    server = await serve(reflection=True)
    path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    async with RawClient(server.port) as client:
        heard = await client.result(client.open(path, b"\xff\xff"))
        assert heard.status == "3"


async def test_streams_beyond_the_limit_of_a_connection(serve: Any, world: World) -> None:
    server = await serve(max_connection_streams=3)
    world.topics["web"].publish(frozenset({1}))
    async with RawClient(server.port) as client:
        await client.until(lambda: client.settings.get(3) == 3, "the limit in SETTINGS")
        client.wire.remote_settings.acknowledge()
        client.wire.remote_settings.max_concurrent_streams = 100
        client.wire.remote_settings.acknowledge()
        streams = [client.open(GET, watch()) for _ in range(4)]
        heard = await client.result(streams[-1])
        assert heard.reset == ErrorCodes.REFUSED_STREAM
        for stream in streams[:-1]:
            await client.until(client.heard[stream].messages, "a message")
        assert client.goaway is None


async def test_the_end_names_the_last_stream_that_is_served(server: H2Server, world: World) -> None:
    async with RawClient(server.port) as client:
        waiting = client.open(CERTIFY, certify("wait"))
        await asyncio.wait_for(world.entered.wait(), 10)
        stopping = asyncio.create_task(server.stop(30))
        await client.until(lambda: client.goaway_last, "the GOAWAY")
        assert client.goaway_last == [waiting]
        assert client.goaway == ErrorCodes.NO_ERROR
        late = await client.result(client.open(CERTIFY, certify("late")))
        assert late.reset == ErrorCodes.REFUSED_STREAM
        world.release.set()
        assert (await client.result(waiting)).status == "0"
        await client.end()
        await asyncio.wait_for(stopping, 10)
    assert len(world.calls) == 1


async def test_a_quiet_client_that_answers_pings_is_kept(serve: Any, world: World) -> None:
    server = await serve(
        keepalive_interval=timedelta(milliseconds=50),
        keepalive_timeout=timedelta(milliseconds=700),
    )
    async with RawClient(server.port) as client:
        client.open(GET, watch())
        await client.until(lambda: client.pings >= 3, "some PINGs")
    await asyncio.wait_for(world.topics["web"].empty.wait(), 10)


async def test_an_old_connection_is_warned_before_it_is_turned_away(
    serve: Any, world: World
) -> None:
    server = await serve(
        connection_age=timedelta(milliseconds=100), connection_age_grace=timedelta(seconds=30)
    )
    world.topics["web"].publish(frozenset({1}))
    async with RawClient(server.port) as client:
        stream = client.open(GET, watch())
        await client.until(lambda: len(client.goaway_last) == 2, "two GOAWAYs")
        assert client.goaway_last == [2**31 - 1, stream]
        client.wire.reset_stream(stream)
        client.send()
        await client.end()


async def test_an_old_connection_ends_after_its_grace(serve: Any, world: World) -> None:
    server = await serve(
        connection_age=timedelta(milliseconds=100),
        connection_age_grace=timedelta(milliseconds=100),
    )
    world.topics["web"].publish(frozenset({1}))
    async with RawClient(server.port) as client:
        watching, waiting = client.open(GET, watch()), client.open(CERTIFY, certify("wait"))
        assert (await client.result(watching)).status == "0"
        assert (await client.result(waiting)).status == "14"
        await client.end()
    assert world.topics["web"].subscribers == 0


async def test_a_client_may_say_goodbye_and_still_hear_its_streams(
    server: H2Server, world: World
) -> None:
    async with RawClient(server.port) as client:
        stream = client.open(CERTIFY, certify("wait"))
        await asyncio.wait_for(world.entered.wait(), 10)
        client.send(frame(7, 0, 0, bytes(8)))
        world.release.set()
        assert (await client.result(stream)).status == "0"
        await client.end()


@pytest.mark.parametrize("host", ["", "127.0.0.1"])
async def test_peers_and_their_sockets(serve: Any, world: World, host: str) -> None:
    server = await serve(host)
    async with RawClient(server.port) as client:
        await client.result(client.open(CERTIFY, certify("web")))
        (connection,) = server._shared.connections
        sock = connection._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        local = client._writer.get_extra_info("sockname")
        assert world.calls[0].peer == f"ipv4:127.0.0.1:{local[1]}"


async def test_a_method_that_cancels_itself_ends_its_call(server: H2Server, world: World) -> None:
    async def cancels() -> None:
        raise asyncio.CancelledError

    world._certify["cancels"] = cancels
    async with RawClient(server.port) as client:
        assert (await client.result(client.open(CERTIFY, certify("cancels")))).status == "1"
        request = destination_pb2.GetDestination(path="cancels").SerializeToString()
        assert (await client.result(client.open(GET_PROFILE, request))).status == "1"


async def test_a_subscription_that_speaks_no_bytes_harms_no_other(
    server: H2Server, world: World
) -> None:
    class Text:
        def poll(self) -> Any:
            return "text"

        def on_wake(self, wake: Any) -> None: ...

        def close(self) -> None: ...

    async def text() -> Any:
        return Text()

    world._certify["text"] = text
    world.topics["web"].publish(frozenset({1}))
    async with RawClient(server.port) as client:
        bad = client.open(GET_PROFILE, watch("text"))
        good = client.open(GET, watch())
        assert (await client.result(bad)).status == "13"
        await client.until(client.heard[good].messages, "a message")


async def test_a_second_header_block_must_end_the_request(server: H2Server) -> None:
    async with RawClient(server.port) as client:
        stream = client.open(CERTIFY, end=False)
        client.send(frame(HEADERS, END_HEADERS, stream, b"\x00\x01x\x01y"))
        await client.until(lambda: client.goaway is not None, "the GOAWAY")
        assert client.goaway == ErrorCodes.PROTOCOL_ERROR
        await client.end()


async def test_a_wrong_content_length_is_an_error(server: H2Server) -> None:
    async with RawClient(server.port) as client:
        stream = client.open(CERTIFY, end=False, headers={"content-length": "3"})
        client.send(frame(DATA, END_STREAM, stream, framed(certify("web"))))
        await client.until(lambda: client.goaway is not None, "the GOAWAY")
        assert client.goaway == ErrorCodes.PROTOCOL_ERROR


async def test_a_window_may_not_overflow(server: H2Server, world: World) -> None:
    world.topics["web"].publish(frozenset({1}))
    huge = (2**31 - 1).to_bytes(4)
    async with RawClient(server.port) as client:
        streams = [client.open(GET, watch()) for _ in range(2)]
        client.send(frame(WINDOW_UPDATE, 0, streams[0], huge))
        heard = await client.result(streams[0])
        assert heard.reset == ErrorCodes.FLOW_CONTROL_ERROR
        await eventually(lambda: world.topics["web"].subscribers == 1, "the end of one stream")
        client.send(frame(WINDOW_UPDATE, 0, 0, huge))
        await client.until(lambda: client.goaway is not None, "the GOAWAY")
        assert client.goaway == ErrorCodes.FLOW_CONTROL_ERROR
    await asyncio.wait_for(world.topics["web"].empty.wait(), 10)
