"""A server of the h2 engine, and the world that it serves, on both event loops."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import pytest
import uvloop
from prometheus_client import CollectorRegistry

from linkerd.rpc.h2.server import H2Server
from linkerd.rpc.options import ServerOptions
from linkerd.runtime.readiness import Readiness
from linkerd.runtime.values import HostPort
from tests.support.rpc import World

Serve = Callable[..., Awaitable[H2Server]]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Both, as their transports differ."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
def world() -> World:
    """The services that the server serves."""
    return World()


@pytest.fixture
def registry() -> CollectorRegistry:
    """Where the server counts."""
    return CollectorRegistry()


@pytest.fixture
async def serve(world: World, registry: CollectorRegistry) -> AsyncIterator[Serve]:
    """Starts a server with the given options; it stops with the test."""
    servers: list[H2Server] = []

    async def start(host: str = "127.0.0.1", **options: object) -> H2Server:
        server = H2Server(
            HostPort(host, 0),
            world.tables(),
            readiness=Readiness(),
            registry=registry,
            options=ServerOptions(**options),  # type: ignore[arg-type]  # the test's keywords
        )
        await server.start()
        servers.append(server)
        return server

    yield start
    world.release.set()
    for server in servers:
        await server.stop(0)


@pytest.fixture
async def server(serve: Serve) -> H2Server:
    """A server with the default options."""
    return await serve()
