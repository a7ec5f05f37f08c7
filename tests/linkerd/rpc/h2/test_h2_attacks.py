"""Peers that mean harm: each loses its own connection, and another client notices nothing."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from h2.errors import ErrorCodes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linkerd.rpc.h2 import budget, limits
from linkerd.rpc.h2.limits import MAX_HELD_BYTES
from linkerd.rpc.h2.server import H2Server
from linkerd.stubs.proxy import destination_pb2, identity_pb2
from tests.support.eventually import eventually
from tests.support.http2 import RawClient, frame
from tests.support.rpc import CERTIFY, GET, NumbersTopic, World

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)
MANY = 4_000
GOAWAY = 7
WATCH = destination_pb2.GetDestination(path="web").SerializeToString()
HELLO = identity_pb2.CertifyRequest(identity="web").SerializeToString()
# :method POST, :scheme http, :path and content-type without indexing: a request for `CERTIFY`.
BLOCK = (
    b"\x83\x86\x04"
    + bytes([len(CERTIFY)])
    + CERTIFY.encode()
    + b"\x01\x04test\x0f\x10\x10application/grpc"
)
LONG = b"\x00\x01a\x7f\xa9\x45" + b"b" * 9000  # a literal header


@pytest.fixture
async def bystander(server: H2Server, world: World) -> AsyncIterator[Callable[[], Any]]:
    """A client with a stream; called, it asserts that it is served as ever."""
    world.topics["web"].publish(frozenset({0}))
    async with RawClient(server.port) as client:
        stream = client.open(GET, WATCH)
        await client.until(client.heard[stream].messages, "the first message")

        async def check() -> None:
            before = len(client.heard[stream].messages())
            topic = world.topics["web"]
            topic.publish(frozenset({max(topic.state or (0,)) + 1}))
            await client.until(lambda: len(client.heard[stream].messages()) > before, "a change")
            assert (await client.result(client.open(CERTIFY, HELLO))).status == "0"
            await eventually(lambda: topic.subscribers == 1, "the end of the attacker's streams")

        yield check


def ids() -> range:
    return range(1, 2 * MANY, 2)


FLOODS = {
    "ping": frame(6, 0, 0, bytes(8)) * MANY,
    "settings": frame(4, 0, 0, b"\0\4\0\0\xff\xff") * MANY,
    "priority": frame(2, 0, 1, b"\0\0\0\3\x0f") * MANY,
    "unknown": frame(99, 0, 0) * MANY,
    "tiny-updates": frame(8, 0, 0, b"\0\0\0\1") * 4 * MANY,  # of which four cost a unit
    "rapid-reset": b"".join(
        frame(1, 5, stream, BLOCK) + frame(3, 0, stream, b"\0\0\0\x08") for stream in ids()
    ),
    "broken-messages": b"".join(
        frame(1, 4, stream, BLOCK) + frame(0, 1, stream, b"\0\0\0\0\2\xff\xff") for stream in ids()
    ),
    "no-such-method": b"".join(
        frame(1, 5, stream, BLOCK.replace(b"Certify", b"Nothing")) for stream in ids()
    ),
    "resets-of-closed": frame(1, 5, 1, BLOCK) + frame(3, 0, 1, bytes(4)) * MANY,
    "settings-acks": frame(4, 1, 0) * MANY,
    "ping-acks": frame(6, 1, 0, bytes(8)) * MANY,
    "updates-of-1024": frame(8, 0, 0, b"\0\0\4\0") * 4 * MANY,
    "data-of-a-byte": frame(1, 4, 1, BLOCK) + frame(0, 0, 1, b"\0") * MANY,
    "many-headers": b"".join(
        frame(1, 5, stream, BLOCK + b"\x90" * 300) for stream in range(1, 101, 2)
    ),
    "empty-data": frame(1, 4, 1, BLOCK) + frame(0, 0, 1) * MANY,
}


async def last_word(server: H2Server, raw: bytes) -> int:
    """Sends `raw`, reads to the end of the connection; the error code of the GOAWAY."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(PREFACE + raw)
    said = await asyncio.wait_for(reader.read(), 20)
    writer.transport.abort()
    codes = []
    while said:
        end = 9 + int.from_bytes(said[:3])
        if said[3] == GOAWAY:
            codes.append(int.from_bytes(said[13:17]))
        said = said[end:]
    (code,) = codes
    return code


@pytest.fixture
def poor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Peers may spend a tenth of what they else may."""
    monkeypatch.setattr(budget, "BURST", 2_000)
    monkeypatch.setattr(budget, "DEBT", 1_000)


@pytest.mark.parametrize("kind", FLOODS)
@pytest.mark.usefixtures("poor")
async def test_floods_end_their_connection(
    server: H2Server, bystander: Callable[[], Any], kind: str
) -> None:
    assert await last_word(server, FLOODS[kind]) == ErrorCodes.ENHANCE_YOUR_CALM
    await bystander()


async def test_resets_are_counted_until_there_is_an_answer(
    monkeypatch: pytest.MonkeyPatch, server: H2Server, world: World
) -> None:
    monkeypatch.setattr(budget, "BURST", 400)
    monkeypatch.setattr(budget, "DEBT", 200)
    monkeypatch.setattr(budget, "PER_SECOND", 0)
    silent = destination_pb2.GetDestination(path="silent").SerializeToString()
    world.topics["web"].publish(frozenset({1}))
    async with RawClient(server.port) as client:
        for _ in range(200):
            stream = client.open(GET, WATCH)
            await client.until(client.heard[stream].messages, "a message")
            client.wire.reset_stream(stream)
        client.send()
        await eventually(lambda: not world.topics["web"].subscribers, "the end of these streams")
        for _ in range(101):
            before = len(world.calls)
            stream = client.open(GET, silent)
            await eventually(lambda: len(world.calls) > before, "the call")  # noqa: B023
            client.wire.reset_stream(stream)
            client.send()
        await client.until(lambda: client.goaway is not None, "the GOAWAY")
        assert client.goaway == ErrorCodes.ENHANCE_YOUR_CALM


@pytest.mark.usefixtures("poor")
async def test_a_client_that_works_hard_is_no_flood(server: H2Server) -> None:
    """More PINGs than a silent client may send, but each with a call that is answered."""
    async with RawClient(server.port) as client:
        client.give(2**31 - 1 - 65535)
        for _ in range(6):
            streams = [client.open(CERTIFY, HELLO) for _ in range(100)]
            client.send(frame(6, 0, 0, bytes(8)) * 400)
            for stream in streams:
                assert (await client.result(stream)).status == "0"
        assert client.goaway is None


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (frame(1, 0, 1, BLOCK) + frame(9, 0, 1, b"") * 1000, ErrorCodes.PROTOCOL_ERROR),
        (frame(1, 0, 1, BLOCK) + frame(6, 0, 0, bytes(8)), ErrorCodes.PROTOCOL_ERROR),
        (frame(1, 1, 1, BLOCK + LONG) + frame(9, 4, 1, LONG), ErrorCodes.ENHANCE_YOUR_CALM),
        (frame(1, 5, 1, b"\xff\xff\xff\xff\xff\xff"), ErrorCodes.COMPRESSION_ERROR),
        (frame(0, 0, 0, b"data"), ErrorCodes.PROTOCOL_ERROR),
        (frame(0, 0, 1, bytes(16385)), ErrorCodes.FRAME_SIZE_ERROR),
        (frame(0, 0, 1, bytes(16385))[:9], ErrorCodes.FRAME_SIZE_ERROR),  # as soon as it begins
        (frame(6, 0, 0, bytes(7)), ErrorCodes.FRAME_SIZE_ERROR),
        (frame(8, 0, 0, bytes(4)), ErrorCodes.PROTOCOL_ERROR),
        (frame(1, 5, 2, BLOCK), ErrorCodes.PROTOCOL_ERROR),
        (frame(5, 4, 1, b"\0\0\0\2" + BLOCK), ErrorCodes.PROTOCOL_ERROR),
    ],
    ids=[
        "continuations",
        "within-headers",
        "large-headers",
        "bad-hpack",
        "data-on-0",
        "overlong",
        "overlong-begun",
        "short-ping",
        "no-increment",
        "even-id",
        "push",
    ],
)
async def test_invalid_frames_end_their_connection(
    server: H2Server, bystander: Callable[[], Any], raw: bytes, code: int
) -> None:
    said = await last_word(server, raw)
    assert said == code
    await bystander()


@pytest.mark.parametrize("raw", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0\1", bytes(100)])
async def test_other_protocols_are_hung_up_on(
    server: H2Server, bystander: Callable[[], Any], raw: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(raw)
    await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await bystander()


@pytest.mark.parametrize("sent", [b"", PREFACE[:10]])
async def test_a_connection_that_never_begins_is_dropped(
    monkeypatch: pytest.MonkeyPatch, server: H2Server, bystander: Callable[[], Any], sent: bytes
) -> None:
    monkeypatch.setattr(limits, "PREFACE_SECONDS", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    with contextlib.suppress(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await bystander()
    assert len(server._shared.connections) == 1


async def test_a_half_closed_connection_is_closed(
    server: H2Server, bystander: Callable[[], Any]
) -> None:
    async with RawClient(server.port) as client:
        stream = client.open(GET, WATCH)
        await client.until(client.heard[stream].messages, "the first message")
        client._writer.write_eof()
        await client.end()
    await bystander()


async def test_unfinished_requests_are_bounded_together(
    server: H2Server, bystander: Callable[[], Any]
) -> None:
    async with RawClient(server.port) as client:
        part = b"\0\0\x10\0\0" + bytes(30_000)  # of a message of 1 MiB
        streams = []
        for _ in range(MAX_HELD_BYTES // len(part) + 2):
            stream = client.open(CERTIFY, end=False)
            while client.wire.local_flow_control_window(stream) < len(part):
                await client.pong()
            for at in range(0, len(part), 16384):
                client.wire.send_data(stream, part[at : at + 16384])
            client.send()
            streams.append(stream)
            await client.pong()
        assert client.heard[streams[-1]].status == "8"
        assert not client.heard[streams[0]].over
        for stream in streams[:20]:
            client.wire.reset_stream(stream)
        assert (await client.result(client.open(CERTIFY, HELLO))).status == "0"
    await bystander()


async def test_who_asks_and_never_reads_the_answers_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, server: H2Server, bystander: Callable[[], Any]
) -> None:
    monkeypatch.setattr(limits, "MAX_UNREAD_BYTES", 1 << 16)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, ("127.0.0.1", server.port))
    unknown = BLOCK.replace(CERTIFY.encode(), CERTIFY.replace("Certify", "Nothing").encode())

    async def flood() -> None:
        await loop.sock_sendall(sock, PREFACE)
        for first in range(1, 400_001, 1000):
            calls = [frame(1, 5, stream, unknown) for stream in range(first, first + 1000, 2)]
            await loop.sock_sendall(sock, b"".join(calls))
        raise AssertionError("all was taken in")

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(flood(), 60)
    sock.close()
    await bystander()


async def test_a_silent_reader_is_given_up_with_all_that_it_was_owed(
    serve: Any, world: World
) -> None:
    server = await serve(
        keepalive_interval=timedelta(milliseconds=100),
        keepalive_timeout=timedelta(milliseconds=100),
    )
    topic = world.topics["web"] = NumbersTopic(padding=1_000_000)
    topic.publish(frozenset({1}))
    async with RawClient(server.port, window=2**31 - 1) as client:
        client.give(2**31 - 1 - 65535)
        for _ in range(20):
            client.open(GET, WATCH)
        await eventually(lambda: topic.subscribers == 20, "the streams")
        await eventually(lambda: topic.subscribers == 0, "their end")
        assert not server._shared.connections


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    frames=st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.builds(
                frame,
                st.integers(0, 10),
                st.integers(0, 255),
                st.sampled_from([0, 1, 1, 3, 5, 2**31 - 1]),
                st.one_of(
                    st.binary(max_size=40),
                    st.just(BLOCK),
                    st.just(b"\0\0\0\0\3\x0a\x01x"),
                    st.just(b"\0\0\0\0"),
                ),
            ),
        ),
        max_size=12,
    )
)
async def test_garbage_harms_nobody_else(
    server: H2Server, bystander: Callable[[], Any], frames: list[bytes]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(PREFACE + b"".join(frames))
    writer.write_eof()
    with contextlib.suppress(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 10)
    writer.transport.abort()
    await bystander()
    await eventually(lambda: len(server._shared.connections) == 1, "the end of the connection")
