"""The health, reflection and channelz services."""

from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from linkerd.rpc.engines import Engine
from linkerd.rpc.h2.server import H2Server
from linkerd.runtime.errors import StartError
from linkerd.runtime.readiness import Readiness

pb: Any = health_pb2  # the published stubs are older than the messages
SERVING, NOT_SERVING = pb.HealthCheckResponse.SERVING, pb.HealthCheckResponse.NOT_SERVING
DESTINATION = "io.linkerd.proxy.destination.Destination"


@pytest.fixture
def health(channel: grpc.aio.Channel) -> Any:
    return health_pb2_grpc.HealthStub(channel)


@pytest.mark.parametrize("name", ["", DESTINATION])
async def test_health_follows_readiness(health: Any, readiness: Readiness, name: str) -> None:
    gate = readiness.gate("caches")
    request = pb.HealthCheckRequest(service=name)
    assert (await health.Check(request)).status == NOT_SERVING
    stream = health.Watch(request)
    assert (await stream.read()).status == NOT_SERVING
    gate.open()
    assert (await stream.read()).status == SERVING
    assert (await health.Check(request)).status == SERVING
    gate.close()
    assert (await stream.read()).status == NOT_SERVING
    stream.cancel()


async def test_a_service_that_is_not_served_is_unknown(health: Any) -> None:
    request = pb.HealthCheckRequest(service="no.such.Service")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health.Check(request)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    stream = health.Watch(request)
    assert (await stream.read()).status == pb.HealthCheckResponse.SERVICE_UNKNOWN
    stream.cancel()


async def test_all_services_are_listed(health: Any) -> None:
    answer = await health.List(pb.HealthListRequest())
    assert set(answer.statuses) == {"", DESTINATION, "io.linkerd.proxy.identity.Identity"}


async def services(server: Engine) -> list[str]:
    """What reflection lists."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        make: Any = reflection_pb2_grpc.ServerReflectionStub  # typed for blocking channels only
        stub = make(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        answer = await stub.ServerReflectionInfo(iter([request])).read()
        return [service.name for service in answer.list_services_response.service]


async def test_reflection_is_behind_its_option(channel: grpc.aio.Channel) -> None:
    # As a unary call: where a refusal overtakes a stream's first message, grpc.aio says INTERNAL.
    path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    method: Any = channel.unary_unary(path)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await method(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_reflection_names_all_services(serve: Any) -> None:
    assert set(await services(await serve(reflection=True))) >= {
        DESTINATION,
        "io.linkerd.proxy.identity.Identity",
        "grpc.health.v1.Health",
    }


@pytest.mark.parametrize("enabled", [True, False])
async def test_channelz_is_behind_its_option(engine: Any, serve: Any, *, enabled: bool) -> None:
    if enabled and engine is H2Server:  # channelz is gRPC core's book of its own transports
        with pytest.raises(StartError, match="h2 has no channelz; choose grpcio"):
            await serve(channelz=True)
        return
    server = await serve(channelz=enabled)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        call = channelz_pb2_grpc.ChannelzStub(channel).GetServers(channelz_pb2.GetServersRequest())
        if enabled:
            assert len((await call).server) == 1
            return
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
