"""The proxy takes a server away in both ways, and gives it back."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from tests.support.cut import CutProxy


@pytest.fixture
async def proxy() -> AsyncIterator[CutProxy]:
    """A proxy in front of a server that echoes."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, CutProxy(*server.sockets[0].getsockname()) as proxy:
        yield proxy


async def _open(proxy: CutProxy) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: bytes) -> bytes:
    writer.write(text)
    return await reader.readexactly(len(text))


async def test_it_forwards(proxy: CutProxy) -> None:
    reader, writer = await _open(proxy)
    assert await _echo(reader, writer, b"hello") == b"hello"
    assert (proxy.accepted, proxy.open_connections) == (1, 1)
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    await proxy.until(lambda p: p.open_connections == 0)


async def test_a_reset_of_the_server_reaches_the_client() -> None:
    async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        writer.transport.abort()

    server = await asyncio.start_server(reset, "127.0.0.1", 0)
    async with server, CutProxy(*server.sockets[0].getsockname()) as proxy:
        reader, writer = await _open(proxy)
        with pytest.raises(ConnectionError):
            await reader.readexactly(1)
        writer.close()


async def test_cut_resets_old_and_new_connections(proxy: CutProxy) -> None:
    reader, writer = await _open(proxy)
    assert await _echo(reader, writer, b"a") == b"a"
    await proxy.cut()
    with pytest.raises(ConnectionError):
        await reader.readexactly(1)
    writer.close()
    reader, writer = await _open(proxy)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await _echo(reader, writer, b"b")
    writer.close()
    proxy.heal()
    reader, writer = await _open(proxy)
    assert await _echo(reader, writer, b"c") == b"c"
    writer.close()


async def test_stall_holds_everything_back_until_healed(proxy: CutProxy) -> None:
    reader, writer = await _open(proxy)
    assert await _echo(reader, writer, b"a") == b"a"
    proxy.stall()
    answer = asyncio.create_task(_echo(reader, writer, b"b"))
    late_reader, late_writer = await _open(proxy)
    late = asyncio.create_task(_echo(late_reader, late_writer, b"c"))
    done, _ = await asyncio.wait([answer, late], timeout=0.1)
    assert not done
    proxy.heal()
    assert await answer == b"b"
    assert await late == b"c"
    for each in (writer, late_writer):
        each.close()


async def test_a_connection_that_had_not_got_through_is_reset_too(proxy: CutProxy) -> None:
    proxy.stall()
    reader, writer = await _open(proxy)
    await proxy.until(lambda p: p.open_connections == 1)
    await proxy.cut()
    async with asyncio.timeout(5):
        with pytest.raises(ConnectionResetError):
            await reader.read()
    writer.close()
