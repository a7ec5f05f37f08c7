"""The engines under test and the event loops under them, one parameter each, and servers that end
with their test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import grpc.aio
import pytest
import uvloop
from prometheus_client import CollectorRegistry

from linkerd.rpc.engines import ENGINES, Engine, EngineFactory
from linkerd.rpc.options import ServerOptions
from linkerd.runtime.readiness import Readiness
from linkerd.runtime.values import HostPort
from tests.support.clock import FakeClock
from tests.support.rpc import World

ANY_PORT = HostPort("127.0.0.1", 0)

Serve = Callable[..., Awaitable[Engine]]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Processes run on uvloop where it is installed, whose transports are its own."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> EngineFactory:
    """Each engine in turn."""
    return ENGINES[request.param]


@pytest.fixture
def readiness() -> Readiness:
    """Of the process that serves."""
    return Readiness()


@pytest.fixture
def registry() -> CollectorRegistry:
    """Where the server counts."""
    return CollectorRegistry()


@pytest.fixture
def clock() -> FakeClock:
    """Times the lame duck."""
    return FakeClock()


@pytest.fixture
def world() -> World:
    """The services that the server serves."""
    return World()


@pytest.fixture
async def serve(
    engine: EngineFactory,
    world: World,
    readiness: Readiness,
    registry: CollectorRegistry,
    clock: FakeClock,
) -> AsyncIterator[Serve]:
    """Starts a server with the given options; it stops with the test."""
    servers: list[Engine] = []

    async def start(address: HostPort = ANY_PORT, **options: object) -> Engine:
        server = engine(
            address,
            world.tables(),
            readiness=readiness,
            registry=registry,
            options=ServerOptions(**options),  # type: ignore[arg-type]  # the test's keywords
            clock=clock,
        )
        await server.start()
        servers.append(server)
        return server

    yield start
    world.release.set()
    for server in servers:
        clock.rush()
        await server.stop(0)


@pytest.fixture
async def server(serve: Serve) -> Engine:
    """A server with the default options."""
    return await serve()


@pytest.fixture
async def channel(server: Engine) -> AsyncIterator[grpc.aio.Channel]:
    """A connection to it."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield channel
