"""The API over real gRPC on loopback: statuses, streams, and nothing left behind. Ids of the
catalogue: T1, T2, T18 to T21, T31, N20, N26."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linkerd.rpc.engines import ENGINES
from linkerd.runtime.metrics import registry
from linkerd.runtime.readiness import Readiness
from linkerd.runtime.values import HostPort
from linkerd.stubs.proxy import destination_pb2 as pb
from linkerd.stubs.proxy import destination_pb2_grpc
from services.destination.index import Kind
from services.destination.server import Destination
from tests.support.destination.world import DOMAIN, World
from tests.support.eventually import eventually
from tests.support.objects import endpoint, endpoint_slice, node, pod, service
from tests.support.proxy_rules import Endpoints

LEDGER = "ledger.fin.svc.mesh.test:8080"
INVALID = grpc.StatusCode.INVALID_ARGUMENT


@dataclass
class Served:
    """A world and a client of it."""

    world: World
    stub: "destination_pb2_grpc.DestinationAsyncStub"

    def get(self, path: str, token: str = "") -> Any:
        return self.stub.Get(pb.GetDestination(path=path, context_token=token))

    def get_profile(self, path: str, token: str = "") -> Any:
        return self.stub.GetProfile(pb.GetDestination(path=path, context_token=token))

    async def refusal(self, call: Any) -> tuple[grpc.StatusCode, str]:
        """How the call ended, without a message before."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await take(call)
        return caught.value.code(), caught.value.details() or ""


async def take(call: Any) -> Any:
    """The next message of a stream."""
    message = await asyncio.wait_for(call.read(), 10)
    assert message is not grpc.aio.EOF
    return message


CHANNEL = [("grpc.http2.bdp_probe", 0)]
"""So that windows stay at HTTP/2's 64 KiB."""


@pytest.fixture(params=list(ENGINES))
async def served(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    world = World()
    world.apply(
        service("ledger", "fin", "10.96.3.3"),
        service("outside", type="ExternalName"),
        pod("a", "fin", "10.4.0.1"),
        pod("twin-1", "fin", "10.4.0.9"),
        pod("twin-2", "fin", "10.4.0.9"),
        endpoint_slice("ledger-1", "ledger", endpoint("10.4.0.1", pod="a", zone="z1")),
    )
    world.apply(node("n7", "z1"), kind=Kind.NODE)
    server = ENGINES[request.param](
        HostPort("127.0.0.1", 0),
        [Destination(world.index, DOMAIN).table()],
        readiness=Readiness(),
        registry=registry(),
    )
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options=CHANNEL) as channel:
        yield Served(world, destination_pb2_grpc.DestinationStub(channel))
    await server.stop(0)


@pytest.mark.parametrize(
    "path", ["foo", "ledger.fin.svc.other.test:80", LEDGER.replace("8080", "0"), "", "fd00::5"]
)
async def test_t1_t18_n26_malformed_authorities(served: Served, path: str) -> None:
    for call in (served.get(path), served.get_profile(path)):
        code, message = await served.refusal(call)
        assert code is INVALID
        assert message.startswith(f'path: invalid authority "{path}"')


async def test_get_of_an_ip(served: Served) -> None:
    code, message = await served.refusal(served.get("10.96.3.3:8080"))
    assert code is INVALID
    assert message.startswith("path:")


async def test_a_service_that_is_not_there(served: Served) -> None:
    for call in (served.get("x.fin.svc.mesh.test"), served.get_profile("x.fin.svc.mesh.test")):
        assert (await served.refusal(call))[0] is grpc.StatusCode.NOT_FOUND
    instance = served.get_profile("vault-0.ledger.fin.svc.mesh.test:1")
    assert (await served.refusal(instance))[0] is grpc.StatusCode.NOT_FOUND


async def test_t2_t19_an_external_name(served: Served) -> None:
    path = "outside.fin.svc.mesh.test:8080"
    assert (await served.refusal(served.get(path)))[0] is INVALID
    assert (await served.refusal(served.get_profile(path)))[0] is INVALID
    assert await take(served.get_profile("outside.fin.svc.mesh.test:1")) == pb.DestinationProfile()


async def test_n20_an_ip_with_two_owners_is_worth_asking_again(served: Served) -> None:
    code, message = await served.refusal(served.get_profile("10.4.0.9:80"))
    assert code is grpc.StatusCode.UNAVAILABLE
    assert len(message) < 200


async def test_a_stream_of_endpoints(served: Served) -> None:
    call, reader = served.get(LEDGER), Endpoints()
    reader.take((await take(call)).SerializeToString())
    assert set(reader.known) == {("10.4.0.1", 8080)}
    served.world.apply(endpoint_slice("ledger-2", "ledger", endpoint("192.0.2.1")))
    reader.take((await take(call)).SerializeToString())
    served.world.delete(endpoint_slice("ledger-1", "ledger"))
    reader.take((await take(call)).SerializeToString())
    assert set(reader.known) == {("192.0.2.1", 8080)}


@pytest.mark.parametrize(
    ("token", "locality"),
    [
        ('{"ns":"shop","nodeName":"n7","pod":"cart-0"}\n', "local"),
        ("ns:shop", "unknown"),
        ('{"nodeName":', "unknown"),
        ("", "unknown"),
    ],
)
async def test_t20_t21_t50_tokens(served: Served, token: str, locality: str) -> None:
    update = await take(served.get(LEDGER, token))
    assert update.add.addrs[0].metric_labels["zone_locality"] == locality
    assert (await take(served.get_profile(LEDGER, token))).fully_qualified_name


async def test_t31_an_ip_that_nobody_has(served: Served) -> None:
    profile = await take(served.get_profile("198.51.100.9:80"))
    assert profile.HasField("retry_budget")
    assert not profile.HasField("endpoint")


async def test_streams_that_end_leave_nothing(served: Served) -> None:
    paths = [LEDGER, "10.4.0.1:80", "10.96.3.3:8080", "198.51.100.9:80"]
    calls = [served.get(LEDGER, f'{{"nodeName":"n{i}"}}') for i in range(200)]
    calls += [served.get_profile(paths[i % 4]) for i in range(200)]
    for call in calls:
        await take(call)
    assert served.world.index.topics() == 204
    for call in calls:
        call.cancel()
    await eventually(lambda: not served.world.index.views, "the index being empty")
    assert not len(served.world.index.home.dependencies)


@settings(max_examples=150, deadline=None, suppress_health_check=[*HealthCheck])
@given(path=st.text(st.characters(codec="utf-8"), max_size=80), token=st.binary(max_size=40))
async def test_any_request_is_answered_or_refused(served: Served, path: str, token: bytes) -> None:
    """No status but this one, and no trace of what went on inside."""
    request = pb.GetDestination(path=path, context_token=token.decode(errors="replace"))
    for call in (served.stub.Get(request), served.stub.GetProfile(request)):
        try:
            assert await take(call)  # an IP, by chance
            call.cancel()
        except grpc.aio.AioRpcError as error:
            assert error.code() is INVALID  # noqa: PT017  # an answer is as good
            assert "Traceback" not in str(error.details())  # noqa: PT017  # likewise


async def test_ten_megabytes_of_path(served: Served) -> None:
    code, _ = await served.refusal(served.get("x" * 10_000_000))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert await take(served.get(LEDGER))


async def test_a_reader_that_stops_misses_versions_and_nothing_else(served: Served) -> None:
    """It hears a window's worth of what it slept through, then one step to the present; and the
    server holds no more for it than that."""
    slow, fast = served.get(LEDGER), served.get(LEDGER)
    views = {id(slow): Endpoints(), id(fast): Endpoints()}

    async def read(call: Any) -> pb.Update:
        update: pb.Update = await take(call)
        views[id(call)].take(update.SerializeToString())
        return update

    await read(slow), await read(fast)
    ips = [f"192.0.{i // 250}.{i % 250}" for i in range(50)]
    many, none = map(endpoint, ips), endpoint_slice("many", "ledger")
    some = endpoint_slice("many", "ledger", *many)
    for _ in range(150):
        served.world.apply(some)
        assert (await read(fast)).WhichOneof("update") == "add"
        served.world.delete(none)
        assert (await read(fast)).WhichOneof("update") == "remove"
    served.world.apply(endpoint_slice("many", "ledger", *many, endpoint("192.0.9.9")))
    await read(fast)
    heard = 0
    while views[id(slow)].known != views[id(fast)].known:
        await read(slow)
        heard += 1
    assert 1 < heard < 100
    assert served.world.index.topics() == 1
