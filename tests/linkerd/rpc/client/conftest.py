"""A server of either engine, and channels to it, on both event loops."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop
from prometheus_client import CollectorRegistry

from linkerd.rpc.client.channels import Channel, Channels
from linkerd.rpc.engines import ENGINES, Engine
from linkerd.runtime.readiness import Readiness
from linkerd.runtime.values import HostPort
from tests.support.rpc import World


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Processes run on uvloop where it is installed, whose transports are its own."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
def world() -> World:
    """The services that the server serves."""
    return World()


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine's name in turn."""
    name: str = request.param
    return name


@pytest.fixture
async def server(world: World, engine: str) -> AsyncIterator[Engine]:
    """A server that ends with the test."""
    started = ENGINES[engine](
        HostPort("127.0.0.1", 0),
        world.tables(),
        readiness=Readiness(),
        registry=CollectorRegistry(),
    )
    await started.start()
    yield started
    world.release.set()
    await started.stop(0)


@pytest.fixture
async def channels() -> AsyncIterator[Channels]:
    """Without TLS."""
    async with Channels() as made:
        yield made


@pytest.fixture
def channel(channels: Channels, server: Engine) -> Channel:
    """To the server."""
    return channels.channel(HostPort("127.0.0.1", server.port))
