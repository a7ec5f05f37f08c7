"""Sockets to the API server close what is theirs, and nothing of anybody else."""

import asyncio
import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import aiohttp
import pytest

from linkerd.kube.transport import open_session, open_socket

CONNECTIONS = 1600
TOGETHER = 8

INFO = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 0))


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


class TestSocket:
    @pytest.mark.parametrize("end", [socket.socket.close, lambda opened: opened.__del__()])
    def test_it_closes_its_descriptor(self, end: Callable[[socket.socket], None]) -> None:
        opened = open_socket(INFO)
        descriptor = opened.fileno()
        end(opened)
        assert not is_open(descriptor)
        end(opened)

    @pytest.mark.parametrize("end", [lambda opened: opened.close(), lambda o: o.__del__()])
    def test_it_leaves_a_number_that_was_given_away(
        self, end: Callable[[socket.socket], None]
    ) -> None:
        opened = open_socket(INFO)
        descriptor = opened.fileno()
        with socket.socket() as others:
            os.dup2(others.fileno(), descriptor)
            end(opened)
            assert is_open(descriptor)
            os.close(descriptor)

    def test_it_bears_that_somebody_closed_it(self) -> None:
        opened = open_socket(INFO)
        os.close(opened.fileno())
        opened.close()


@pytest.fixture
def resetting() -> Iterator[int]:
    """The port of a server that resets every connection at once."""
    with socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS) as server:
        thread = threading.Thread(target=_reset_all, args=(server,), daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def _reset_all(server: socket.socket) -> None:
    with suppress(OSError):
        while True:
            accepted, _ = server.accept()
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            accepted.close()


def test_connections_that_break_at_once_close_nobody_elses_descriptor(resetting: int) -> None:
    """On uvloop, where it is installed, whose handing over of sockets has a gap."""
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(_lost(resetting)) == []


async def _lost(port: int) -> list[int]:
    """Descriptors that were opened between connections and are no longer what they were."""
    lost = []
    async with open_session(ssl.create_default_context(), "test", 65536) as session:
        for _ in range(CONNECTIONS // TOGETHER):
            mine: list[int] = []
            calls = (_call(session, port, mine) for _ in range(TOGETHER))
            await asyncio.gather(*calls)
            for descriptor in mine:
                try:
                    os.close(descriptor)
                except OSError:
                    lost.append(descriptor)
    return lost


async def _call(session: aiohttp.ClientSession, port: int, opened: list[int]) -> None:
    with pytest.raises(aiohttp.ClientConnectionError):
        await session.get(f"https://127.0.0.1:{port}/")
    opened.append(os.eventfd(0))
