"""The load generator, built from source, against its peer and against grpc.aio."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
import grpc.aio
import msgspec
import pytest

from bench import yardsticks
from bench.figures import Figure
from bench.load import Conversation, Load, build
from bench.processes import BenchError

pytestmark = pytest.mark.timeout(300)  # the first run compiles the generator


@pytest.fixture
async def serving() -> AsyncIterator[tuple[Conversation, str]]:
    program = await asyncio.to_thread(build)
    async with Conversation.start(str(program["peer"]), "-first=1000", "-delta=10") as server:
        yield server, msgspec.json.decode(await server.event("serving", 10))["address"]


async def test_every_stream_is_counted_once_a_change(serving: tuple[Conversation, str]) -> None:
    server, address = serving
    async with Load.open(address, [b""], streams=50, connections=4) as load:
        first = await load.first()
        assert (first.streams, first.lost, first.messages, first.bytes) == (50, 0, 50, 50_000)
        await load.arm(messages=2)
        await server.say("change")
        status = await load.status()
        while status.messages < 100:
            status = await load.status()
        await server.say("change")
        wave = await load.changed()
        assert (wave.streams, wave.messages, wave.bytes) == (50, 100, 1000)
        status = await load.status()
        assert (status.least, status.most) == (3, 3)
        assert 0 < wave.first_ms <= wave.median_ms <= wave.p99_ms <= wave.last_ms


async def test_paused_streams_hold_nobody_up_and_catch_up(
    serving: tuple[Conversation, str],
) -> None:
    server, address = serving
    async with Load.open(address, [b""], streams=10, connections=2) as load:
        await load.first()
        assert (await load.pause(4)).paused == 4
        for _ in range(5):
            await load.arm()
            await server.say("change")
            assert (await load.changed()).streams == 6
        paused = (await load.status()).slow_messages
        assert paused <= 4  # one each that was waiting inside a receive
        status = await load.resume()
        while status.slow_messages < 4 * 5:
            status = await load.status()


async def test_streams_that_end_are_lost_and_explained(serving: tuple[Conversation, str]) -> None:
    server, address = serving
    async with Load.open(address, [b""], streams=5, connections=1) as load:
        await load.first()
        await load.arm()
        await server.close_input()
        assert (await load.changed()).lost == 5
        status = await load.status()
        assert (status.open, status.ended) == (0, {"Unavailable": 5})


async def test_it_sends_what_it_is_given_in_turn() -> None:
    seen: list[bytes] = []

    async def answer(request: bytes, _: object) -> AsyncIterator[bytes]:
        seen.append(request)
        yield request
        await asyncio.Event().wait()

    class Handlers(grpc.GenericRpcHandler):
        def service(
            self, details: grpc.HandlerCallDetails
        ) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
            if details.method != "/some.Service/Watch":
                return None
            return grpc.unary_stream_rpc_method_handler(answer)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers([Handlers()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with Load.open(
            f"127.0.0.1:{port}",
            [b"one", b"two"],
            streams=4,
            connections=2,
            method="/some.Service/Watch",
        ) as load:
            await load.first()
            assert sorted(seen) == [b"one", b"one", b"two", b"two"]
        async with Load.open(
            f"127.0.0.1:{port}", [b""], streams=3, connections=1, method="/some.Service/No"
        ) as load:
            assert (await load.first()).lost == 3
            assert (await load.status()).ended == {"Unimplemented": 3}
    finally:
        await server.stop(None)


async def test_what_it_is_to_decode_and_cannot_ends_the_stream(
    serving: tuple[Conversation, str],
) -> None:
    """The peer's bytes are no message."""
    _, address = serving
    async with Load.open(address, [b""], streams=3, connections=1, options=["-decode"]) as load:
        assert (await load.first()).lost == 3
        assert (await load.status()).details == {"Unknown": "malformed message"}


async def test_no_server_is_a_bench_error() -> None:
    with pytest.raises(BenchError, match="ended while 'connected' was awaited"):
        async with Load.open(
            "127.0.0.1:1", [b""], streams=1, connections=1, options=["-connect-timeout=200ms"]
        ):
            pass


@pytest.mark.parametrize("bench", [yardsticks.peer, yardsticks.engine, yardsticks.grpcio])
async def test_a_yardstick_reports_its_figures(
    bench: Callable[..., Awaitable[list[Figure]]],
) -> None:
    taken = await bench(streams=40, connections=2, count=2)
    values = {figure.name.split("_", 1)[1]: figure.value for figure in taken}
    assert values.keys() == {
        "cpu_us_per_stream",
        "kib_per_stream",
        "last_ms",
        "first_all_s",
        "first_all_cpu_s",
    }
    assert values["cpu_us_per_stream"] > 0
    assert 0 < values["last_ms"] < 10_000
