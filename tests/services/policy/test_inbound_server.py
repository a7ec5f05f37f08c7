"""The inbound API over real gRPC on loopback: statuses, streams, and nothing left behind. Ids of
the catalogue: I1, I2, I65, I66."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import grpc
import grpc.aio
import pytest

from linkerd.rpc.engines import ENGINES
from linkerd.runtime.metrics import registry
from linkerd.runtime.readiness import Readiness
from linkerd.runtime.values import HostPort
from linkerd.stubs.proxy import inbound_pb2 as pb
from linkerd.stubs.proxy import inbound_pb2_grpc
from services.policy.index.kinds import Kind
from services.policy.server.inbound import InboundServerPolicies
from tests.support.eventually import eventually
from tests.support.policy.inbound import World
from tests.support.policy.readers import ServerReader

INVALID: Final = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND: Final = grpc.StatusCode.NOT_FOUND
TOKEN: Final = '{"ns":"fin","pod":"web-0"}\n'


@dataclass
class Served:
    """A world and a client of it."""

    world: World
    stub: Any

    def watch(self, workload: str = TOKEN, port: int = 8080) -> Any:
        return self.stub.WatchPort(pb.PortSpec(workload=workload, port=port))

    def get(self, workload: str = TOKEN, port: int = 8080) -> Any:
        return self.stub.GetPort(pb.PortSpec(workload=workload, port=port))


@pytest.fixture(params=list(ENGINES))
async def served(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    world = World()
    server = ENGINES[request.param](
        HostPort("127.0.0.1", 0),
        [InboundServerPolicies(world.index).table()],
        readiness=Readiness(),
        registry=registry(),
    )
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield Served(world, inbound_pb2_grpc.InboundServerPoliciesStub(channel))
    await server.stop(0)


async def _next(call: Any) -> Any:
    return await asyncio.wait_for(call.read(), 10)


async def test_i2_a_stream_tells_what_is_and_what_comes(served: Served) -> None:
    served.world.pod()
    call, reader = served.watch(), ServerReader()
    told = reader.take((await _next(call)).SerializeToString())
    assert told.labels["name"] == "all-unauthenticated"
    assert told == await served.get()
    served.world.server()
    told = reader.take((await _next(call)).SerializeToString())
    assert told.labels["name"] == "web"
    assert told == await served.get("fin:web-0")
    call.cancel()
    await eventually(lambda: not served.world.index.views)


async def test_i66_a_stream_ends_well_when_its_pod_goes(served: Served) -> None:
    pod = served.world.pod()
    call = served.watch()
    assert await _next(call)
    served.world.remove(Kind.POD, pod)
    assert await _next(call) is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK
    assert not served.world.index.views


@pytest.mark.parametrize(
    ("workload", "port", "code", "says"),
    [
        pytest.param("oops", 8080, INVALID, "workload", id="i65-token"),
        pytest.param(TOKEN, 0, INVALID, "port: 0 is none", id="i65-port"),
        (TOKEN, 65_536, INVALID, "port: 65536 is none"),
        ("fin:", 8080, INVALID, "workload"),
        ("", 8080, INVALID, "workload"),
        ("fin:web-9", 8080, NOT_FOUND, "no Pod fin/web-9 in the mesh"),
        ("ops:web-0", 8080, NOT_FOUND, "no Pod ops/web-0 in the mesh"),
        ('{"ns":"fin","external_workload":"web-0"}', 80, NOT_FOUND, "no ExternalWorkload fin/"),
        (f"fin:{'x' * 253}", 8080, NOT_FOUND, "no Pod fin/xxx"),
        (f"fin:{'x' * 5_000}", 8080, INVALID, "invalid workload 'fin:xxx"),
    ],
)
async def test_requests_that_have_no_answer(
    served: Served, workload: str, port: int, code: grpc.StatusCode, says: str
) -> None:
    served.world.pod()
    for method in (served.stub.GetPort, served.stub.WatchPort):
        call = method(pb.PortSpec(workload=workload, port=port))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await (call if method is served.stub.GetPort else call.read())
        assert refused.value.code() is code
        assert says in (refused.value.details() or "")
