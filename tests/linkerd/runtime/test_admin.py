"""The admin server over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from linkerd.runtime.admin import AdminServer, Page
from linkerd.runtime.errors import StartError
from linkerd.runtime.metrics import registry
from linkerd.runtime.readiness import Readiness
from linkerd.runtime.settings import HostPort

ANY_PORT = HostPort("127.0.0.1", 0)


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
async def server(readiness: Readiness) -> AsyncIterator[AdminServer]:
    server = make(readiness)
    await server.start()
    yield server
    await server.stop()


def make(readiness: Readiness, address: HostPort = ANY_PORT, **more: Any) -> AdminServer:
    """A server that has not started."""
    return AdminServer(address, readiness=readiness, registry=registry(), **more)


async def get(server: AdminServer, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
    """Status and body."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{host}:{server.port}{path}") as response,
    ):
        return response.status, await response.text()


@pytest.mark.parametrize("path", ["/ping", "/live"])
async def test_alive_whatever_readiness_says(
    server: AdminServer, readiness: Readiness, path: str
) -> None:
    readiness.gate("caches")
    assert await get(server, path) == (200, "pong\n")


async def test_ready_names_what_it_waits_for(server: AdminServer, readiness: Readiness) -> None:
    caches = readiness.gate("caches")
    readiness.gate("grpc")
    assert await get(server, "/ready") == (500, "not ready: caches, grpc\n")
    caches.open()
    readiness.gate("grpc").open()
    assert await get(server, "/ready") == (200, "ok\n")


async def test_metrics_are_prometheus_text(server: AdminServer) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{server.port}/metrics") as response,
    ):
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert "process_cpu_seconds_total" in await response.text()


@pytest.mark.parametrize("path", ["/", "/debug/tasks", "/debug/profile", "/metrics/x", "/%2e%2e/"])
async def test_nothing_else_is_served(server: AdminServer, path: str) -> None:
    assert (await get(server, path))[0] == 404


async def test_only_get(server: AdminServer) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{server.port}/ready") as response,
    ):
        assert response.status == 405


async def test_pages_can_be_added(readiness: Readiness) -> None:
    async def page(_request: web.Request) -> web.Response:
        return web.Response(text="mine")

    server = make(readiness)
    server.add_page("/mine", page)
    await server.start()
    assert await get(server, "/mine") == (200, "mine")
    await server.stop()


async def test_pages_that_come_while_it_runs(readiness: Readiness) -> None:
    async def page(_request: web.Request) -> web.Response:
        return web.Response(text="late")

    pages: dict[str, Page] = {}
    server = make(readiness, pages=pages)
    await server.start()
    assert (await get(server, "/debug/late"))[0] == 404
    pages["/debug/late"] = page
    assert await get(server, "/debug/late?x=1") == (200, "late")
    await server.stop()


async def test_profiling_pages(readiness: Readiness) -> None:
    server = make(readiness, profiling=True)
    await server.start()
    status, text = await get(server, "/debug/tasks")
    assert status == 200
    assert "test_profiling_pages" in text
    status, text = await get(server, "/debug/profile?seconds=0.01")
    assert status == 200
    assert "tottime" in text
    for nonsense in ("x", "nan", "-1"):
        assert (await get(server, f"/debug/profile?seconds={nonsense}"))[0] == 400
    await server.stop()


async def test_an_empty_host_is_every_interface_of_both_families(readiness: Readiness) -> None:
    server = make(readiness, HostPort("", 0))
    await server.start()
    for host in ("127.0.0.1", "[::1]"):
        assert (await get(server, "/ping", host))[0] == 200
    await server.stop()


async def test_a_port_in_use_is_one_sentence(server: AdminServer, readiness: Readiness) -> None:
    again = make(readiness, HostPort("127.0.0.1", server.port))
    with pytest.raises(StartError, match=rf"cannot listen on 127\.0\.0\.1:{server.port}: Addr"):
        await again.start()
    await again.stop()


async def test_an_unknown_host_is_one_sentence(readiness: Readiness) -> None:
    with pytest.raises(StartError, match=r"cannot listen on no\.such\.host\.invalid:0"):
        await make(readiness, HostPort("no.such.host.invalid", 0)).start()
