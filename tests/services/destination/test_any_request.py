"""Requests of any kind, over real gRPC: each is answered or refused for a reason, nobody else hears
of it, and nothing stays behind."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from random import Random
from typing import Any, Final

import grpc
import grpc.aio
import pytest

from linkerd.rpc.engines import ENGINES
from linkerd.runtime.metrics import registry
from linkerd.runtime.readiness import Readiness
from linkerd.runtime.values import HostPort
from linkerd.stubs.proxy import destination_pb2 as pb
from linkerd.stubs.proxy import destination_pb2_grpc
from services.destination.server import Destination
from tests.support.destination.world import DOMAIN, World
from tests.support.eventually import eventually
from tests.support.objects import endpoint, endpoint_slice, pod, service
from tests.support.proxy_rules import Endpoints, ProfileReader

CALLS: Final = 1_200
LEDGER: Final = "ledger.fin.svc.mesh.test:8080"
REFUSALS: Final = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.FAILED_PRECONDITION,
}
HOSTS: Final = [
    *("ledger", "fin", "svc", "mesh", "test", "a", "x", "", "-", "*", "Ä", "a b", "xn--a", "_"),
    *("\u0000", "\r\n", "%00", "😀", "l" * 64, "l" * 5_000, "10", "4", "0", "1", "SVC"),
]
WHOLE: Final = [
    *("10.4.0.1", "10.4.0.9", "[fd00::1]", "[::ffff:10.4.0.1]", "[fe80::1%eth0]", "0x0a.4.0.1"),
    *("ledger.fin.svc.mesh.test", "outside.fin.svc.mesh.test", "a.ledger.fin.svc.mesh.test"),
    *("north.fin.svc.mesh.test", "half.fin.svc.mesh.test", "[", "]", "[]", "[ledger]"),
]
PORTS: Final = [
    *(
        "",
        ":",
        ":8080",
        ":80",
        ":0",
        ":65535",
        ":65536",
        ":-1",
        ":+80",
        ":0080",
        ":\uff18\uff10",
        ":http",
    ),
    *(":1:1", ": 80", ":80 ", ":1e3", ":" + "9" * 4_000, "::", ":0x50"),
]
TOKENS: Final = [
    *("", "ns:fin", "ns:", "ns:a:b", "{", "null", "[]", "1", '"', "\u0000", "[" * 50_000),
    *('{"ns":1}', '{"ns":null}', '{"ns":"fin","ns":"ops"}', '{"nodeName":{"a":[]}}', '{"a":' * 999),
]


def some_path(random: Random) -> str:
    """An authority, or nearly one, or nothing of the kind."""
    chance = random.random()
    if chance < 0.1:
        return "".join(chr(random.choice([*range(1, 128), 0x20AC, 0x1F600])) for _ in range(20))
    if chance < 0.5:
        return random.choice(WHOLE) + random.choice(PORTS)
    labels = [random.choice(HOSTS) for _ in range(random.randrange(8))]
    suffix = random.choice(["", ".svc.mesh.test", ".svc.mesh.test", ".svc.mesh.test.", ".svc"])
    return ".".join(labels) + suffix + random.choice(PORTS)


def some_token(random: Random) -> str:
    """A context token, or what a client may send instead."""
    if random.random() < 0.5:
        return random.choice(TOKENS)
    words: list[Any] = ["fin", "n1", "", "x" * 9_000, 'a"b', None, 7, {"a": []}]
    return json.dumps({k: random.choice(words) for k in ("ns", "nodeName", "pod", "NS", "Pod")})


@pytest.fixture(params=list(ENGINES))
async def served(request: pytest.FixtureRequest) -> AsyncIterator[tuple[World, Any]]:
    world = World()
    remote, named = (
        "multicluster.linkerd.io/remote-discovery",
        "multicluster.linkerd.io/remote-service",
    )
    world.apply(
        service("ledger", "fin", "10.96.3.3"),
        service("outside", type="ExternalName"),
        service("north", labels={remote: "north", named: "ledger"}),
        service("half", labels={remote: "north"}),
        pod("a", "fin", "10.4.0.1"),
        pod("twin-1", "fin", "10.4.0.9"),
        pod("twin-2", "fin", "10.4.0.9"),
        endpoint_slice("s", "ledger", endpoint("10.4.0.1", pod="a", hostname="a")),
    )
    server = ENGINES[request.param](
        HostPort("127.0.0.1", 0),
        [Destination(world.index, DOMAIN).table()],
        readiness=Readiness(),
        registry=registry(),
    )
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield world, destination_pb2_grpc.DestinationStub(channel)
    await server.stop(0)


def refusal(error: grpc.aio.AioRpcError) -> grpc.StatusCode:
    """The status, of which a proxy can make something, with a short message."""
    details = error.details() or ""
    assert error.code() in REFUSALS, (error.code(), details)
    assert details.startswith("path: ")
    assert len(details) < 500
    return error.code()


async def outcome(method: Any, path: str, token: str) -> grpc.StatusCode:
    """How a request ended; OK if it was answered by what a proxy takes."""
    call = method(pb.GetDestination(path=path, context_token=token))
    try:
        message = await asyncio.wait_for(call.read(), 20)
    except grpc.aio.AioRpcError as error:
        return refusal(error)
    assert message is not grpc.aio.EOF
    reader_of: dict[type, Any] = {pb.Update: Endpoints, pb.DestinationProfile: ProfileReader}
    reader_of[type(message)]().take(message.SerializeToString())
    call.cancel()
    return grpc.StatusCode.OK


async def test_whatever_is_asked_for(served: tuple[World, Any]) -> None:
    world, stub = served
    random, seen = Random(5), Counter[grpc.StatusCode]()
    calm = stub.Get(pb.GetDestination(path=LEDGER))
    assert await calm.read() is not grpc.aio.EOF
    for _ in range(CALLS // 50):
        asked = [
            outcome(
                random.choice([stub.Get, stub.GetProfile]), some_path(random), some_token(random)
            )
            for _ in range(50)
        ]
        seen.update(await asyncio.gather(*asked))
    assert set(seen) == {grpc.StatusCode.OK, *REFUSALS}
    assert not calm.done()
    assert world.index.tally.failures == 0
    calm.cancel()
    await eventually(lambda: not world.index.views, "the index being empty")
    assert not len(world.index.home.dependencies)
