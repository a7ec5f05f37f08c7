"""What the settings that all services share make of a server."""

import asyncio
from datetime import timedelta
from typing import Any

import grpc.aio
import pytest

from linkerd.rpc.engines import ENGINES
from linkerd.rpc.server import Server
from linkerd.rpc.serving import serve
from linkerd.runtime.clock import SystemClock
from linkerd.runtime.process import Process
from linkerd.runtime.settings import GrpcSettings, load
from linkerd.stubs.proxy import destination_pb2, destination_pb2_grpc
from tests.support.cut import CutProxy
from tests.support.rpc import World


def settings(*flags: str) -> GrpcSettings:
    return load(GrpcSettings, ["--addr=127.0.0.1:0", *flags], {}, prog="test", version="0")


@pytest.mark.parametrize(
    ("flags", "age"),
    [
        ([], timedelta(hours=6)),
        (["--grpc-connection-age=90m"], timedelta(minutes=90)),
        (["--grpc-connection-age=0s"], None),
    ],
)
async def test_the_age_of_connections_is_a_setting(flags: list[str], age: timedelta | None) -> None:
    async with asyncio.TaskGroup() as tasks:
        process = Process("test", tasks, SystemClock())
        server = await serve(settings(*flags), process, *World().tables())
        assert isinstance(server, Server)
        assert server.options.connection_age == age
        await server.stop(0)


@pytest.mark.parametrize("engine", ENGINES)
async def test_clients_of_old_connections_come_back_on_new_ones(engine: str) -> None:
    world = World()
    world.topics["web"].publish(frozenset({1}))
    web = destination_pb2.GetDestination(path="web")
    async with asyncio.TaskGroup() as tasks:
        process = Process("test", tasks, SystemClock())
        flags = (f"--grpc-engine={engine}", "--grpc-connection-age=200ms")
        server = await serve(settings(*flags), process, *world.tables())
        async with (
            CutProxy("127.0.0.1", server.port) as proxy,
            grpc.aio.insecure_channel(f"127.0.0.1:{proxy.port}") as channel,
        ):
            stub: Any = destination_pb2_grpc.DestinationStub(channel)

            async def comes_anew() -> bool:
                stream = stub.Get(web)
                assert (await stream.read()).HasField("add")
                stream.cancel()
                return proxy.accepted > 1

            async with asyncio.timeout(20):
                while not await comes_anew():
                    pass
        await server.stop(0)
