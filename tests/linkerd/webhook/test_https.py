"""Connections are few and bounded, requests are whole and in time, and the end loses nothing."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
import uvloop
from aiohttp import web

from linkerd.webhook.admission import Webhook
from linkerd.webhook.body import BodyLimits
from linkerd.webhook.https import ConnectionLimits
from linkerd.webhook.review import AdmissionRequest, Allowed, Verdict
from tests.support.clock import FakeClock
from tests.support.eventually import eventually
from tests.support.webhooks.served import Served, a_review, served
from tests.support.webhooks.toys import NAME

MIB = 1 << 20
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(server: Served) -> Streams:
    """A connection that has shaken hands."""
    return await asyncio.open_connection(
        "127.0.0.1", server.port, ssl=server.trust, server_hostname=NAME
    )


async def says(streams: Streams, text: bytes) -> bytes:
    """Sends something; all that comes back until the server hangs up."""
    reader, writer = streams
    writer.write(text)
    try:
        return await reader.read()
    except (ConnectionError, ssl.SSLError):
        return b""
    finally:
        writer.close()


def head(length: int) -> bytes:
    return (
        f"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


class TestBodies:
    async def test_as_large_as_an_api_server_sends(self, tmp_path: Path) -> None:
        async with served(tmp_path) as server:
            response = await server.review(data={"pad": "x" * (7 * MIB)})
            assert response["allowed"]

    @pytest.mark.parametrize("chunked", [False, True])
    async def test_too_large(self, tmp_path: Path, chunked: bool) -> None:
        async def chunks() -> "asyncio.AsyncIterator[bytes]":  # type: ignore[name-defined]
            for _ in range(300):
                yield b" " * (MIB // 8)

        async with served(tmp_path, bodies=BodyLimits(size=MIB)) as server:
            try:
                status, text = await server.request(body=chunks() if chunked else b" " * (MIB + 1))
            except aiohttp.ClientOSError:  # it hung up while we sent on
                assert chunked
            else:
                assert (status, text) == (413, "the body is larger than 1 MiB\n")
            await eventually(lambda: server.number("https_responses_total", code="413") == 1)
            assert (await server.review())["allowed"]

    async def test_one_that_does_not_come(self, tmp_path: Path) -> None:
        async with served(tmp_path, bodies=BodyLimits(read_seconds=0.02)) as server:
            answer = await says(await connect(server), head(10) + b"{")
            assert answer.startswith(b"HTTP/1.1 408")
            assert b"did not come within 0.02 s" in answer

    async def test_one_that_is_cut_off(self, tmp_path: Path) -> None:
        async with served(tmp_path) as server:
            _, writer = await connect(server)
            writer.write(head(10) + b"{")
            writer.close()
            await eventually(lambda: server.number("https_connections") == 0)
            assert (await server.review())["allowed"]

    async def test_large_ones_that_stall_delay_no_small_ones(self, tmp_path: Path) -> None:
        bodies = BodyLimits(large_at_once=2, wait_seconds=0.02)
        async with served(tmp_path, bodies=bodies) as server:
            stalled = [await connect(server) for _ in range(2)]
            for _, writer in stalled:
                writer.write(head(9 * MIB) + b" ")
            large = a_review({"pad": "x" * MIB})
            while (await server.request(body=large))[0] != 503:
                pass
            assert (await server.review())["allowed"]
            for _, writer in stalled:
                writer.close()
            async with asyncio.timeout(10):
                while (await server.request(body=large))[0] != 200:
                    pass


class TestConnections:
    async def test_garbage_ends_its_own_connection_only(self, tmp_path: Path) -> None:
        async with served(tmp_path) as server:
            assert (await says(await connect(server), b"\x16\x03\x01 what\r\n\r\n")).startswith(
                b"HTTP/1.0 400"
            )
            for noise in (b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 4000):
                with socket.create_connection(("127.0.0.1", server.port)) as plain:
                    plain.sendall(noise)
            await eventually(lambda: server.number("https_handshakes_failed_total") == 2)
            await eventually(lambda: server.number("https_connections") == 0)
            assert (await server.review())["allowed"]

    async def test_who_never_asks_is_hung_up_on(self, tmp_path: Path) -> None:
        async with served(tmp_path, limits=ConnectionLimits(first_request_seconds=0.02)) as server:
            slow = await connect(server)
            slow[1].write(b"POST / HTTP/1.1\r\nX-Head")
            assert await says(slow, b"er: x") == b""
            await eventually(lambda: server.number("https_connections") == 0)

    async def test_who_never_shakes_hands_is_hung_up_on(self, tmp_path: Path) -> None:
        async with served(tmp_path, limits=ConnectionLimits(handshake_seconds=0.02)) as server:
            silent = await asyncio.open_connection("127.0.0.1", server.port)
            assert await says(silent, b"") == b""
            await eventually(lambda: server.number("https_connections") == 0)

    async def test_a_kept_connection_that_trickles_is_hung_up_on(self, tmp_path: Path) -> None:
        limits = ConnectionLimits(idle_seconds=1)
        async with served(tmp_path, limits=limits) as server:
            body = a_review()
            reader, writer = await connect(server)
            writer.write(head(len(body)) + body)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            writer.write(b"POST / HTTP/1.1\r\nX-Head")
            await reader.read()  # ends
            writer.close()

    async def test_connections_are_kept_between_requests(self, tmp_path: Path) -> None:
        async with served(tmp_path) as server:
            for _ in range(5):
                await server.review()
                assert server.number("https_connections") == 1

    async def test_those_that_idle_make_room_for_those_that_ask(self, tmp_path: Path) -> None:
        limits = ConnectionLimits(connections=8, spare_seconds=0)
        async with served(tmp_path, limits=limits) as server:
            idle = [await connect(server) for _ in range(8)]
            assert (await server.review())["allowed"]
            assert await idle[0][0].read() == b""
            assert not idle[7][0].at_eof()
            assert (server.number("https_connections") or 0) <= 8
            for _, writer in idle:
                writer.close()

    @pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
    def test_those_that_never_shake_hands_make_room_for_those_that_ask(
        self, tmp_path: Path, loop: Callable[[], asyncio.AbstractEventLoop]
    ) -> None:
        async def run() -> None:
            limits = ConnectionLimits(connections=4, handshake_seconds=60, spare_seconds=0)
            async with served(tmp_path, limits=limits) as server:
                address = ("127.0.0.1", server.port)
                silent = [await asyncio.open_connection(*address) for _ in range(12)]
                assert (await server.review())["allowed"]
                assert await silent[0][0].read() == b""
                for _, writer in silent:
                    writer.close()
                await eventually(lambda: (server.number("https_connections") or 0) <= 1)

        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(run())

    def test_as_many_reviews_at_once_as_there_is_room_for(self, tmp_path: Path) -> None:
        """On the loop that services run on."""

        async def run() -> None:
            body = a_review()
            async with served(tmp_path, limits=ConnectionLimits(connections=200)) as server:
                all_of_them = await asyncio.gather(*(connect(server) for _ in range(200)))
                for _, writer in all_of_them:
                    writer.write(head(len(body)) + body)
                for reader, _ in all_of_them:
                    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
                    assert b'"allowed":true' in await reader.readuntil(b"}}")
                # Three quarters full, the server closes those that it has answered.
                await eventually(lambda: (server.number("https_connections") or 0) <= 150)
                for _, writer in all_of_them:
                    writer.close()

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())

    async def test_more_at_once_than_there_is_room_for(self, tmp_path: Path) -> None:
        limits = ConnectionLimits(connections=20)
        async with served(tmp_path, limits=limits) as server:
            answers = await asyncio.gather(*(server.review() for _ in range(100)))
            assert all(answer["allowed"] for answer in answers)

    async def test_a_handler_that_fails_ends_nothing(self, tmp_path: Path) -> None:
        async def fail(_: web.BaseRequest) -> web.Response:
            raise ZeroDivisionError

        async with served(tmp_path, handler=fail) as server:
            for _ in range(2):
                assert (await server.request())[0] == 500


class TestEnd:
    async def test_requests_in_progress_are_answered(self, tmp_path: Path) -> None:
        asked, go = asyncio.Event(), asyncio.Event()

        async def wait(_: AdmissionRequest) -> Verdict:
            asked.set()
            await go.wait()
            return Allowed()

        clock = FakeClock()
        webhook = Webhook("/", wait, ["configmaps"], "Fail")
        async with served(tmp_path, webhook, clock=clock) as server:
            first = asyncio.create_task(server.review("/"))
            await asked.wait()
            idle = await connect(server)
            ending = asyncio.create_task(server.server.stop(5, 10))
            await clock.wait_for_sleepers()
            asked.clear()
            late = asyncio.create_task(server.review("/"))  # during the lame duck's time
            await asked.wait()
            await clock.advance(5)
            assert await idle[0].read() == b""
            idle[1].close()
            with pytest.raises(aiohttp.ClientConnectorError):
                await server.review("/")
            go.set()
            assert (await first)["allowed"]
            assert (await late)["allowed"]
            await ending
            await eventually(lambda: server.number("https_connections") == 0)

    async def test_kept_connections_are_given_up_during_the_lame_ducks_time(
        self, tmp_path: Path
    ) -> None:
        clock = FakeClock()
        async with served(tmp_path, clock=clock) as server:
            await server.review()
            ending = asyncio.create_task(server.server.stop(5, 1))
            await clock.wait_for_sleepers()
            body = a_review()
            answer = await says(await connect(server), head(len(body)) + body)
            assert b"Connection: close" in answer
            await clock.advance(5)
            await ending

    async def test_a_reviewer_that_never_ends_ends_with_the_grace(self, tmp_path: Path) -> None:
        async def never(_: AdmissionRequest) -> Verdict:
            asked.set()
            await asyncio.Event().wait()
            return Allowed()

        asked = asyncio.Event()
        webhook = Webhook("/", never, ["configmaps"], "Fail")
        async with served(tmp_path, webhook) as server:
            lost = asyncio.create_task(server.review("/"))
            await asked.wait()
            await server.server.stop(0, 0.02)
            with pytest.raises(aiohttp.ClientError):
                await lost
