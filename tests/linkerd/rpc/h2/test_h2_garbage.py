"""What connections and calls held is freed when they end, and waits for no collection."""

import gc
from collections import Counter
from collections.abc import Iterator

import pytest

from linkerd.rpc.h2.server import H2Server
from linkerd.stubs.proxy import destination_pb2, identity_pb2
from tests.support.eventually import eventually
from tests.support.http2 import RawClient, frame
from tests.support.rpc import CERTIFY, GET, World

CLIENTS = 5
WATCH = destination_pb2.GetDestination(path="web").SerializeToString()


def certify(identity: str) -> bytes:
    return identity_pb2.CertifyRequest(identity=identity).SerializeToString()


@pytest.fixture
def kept() -> Iterator[list[object]]:
    """What only a collection frees, from now on; filled by `gc.collect`."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.garbage.clear()
    try:
        yield gc.garbage
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def come_and_go(server: H2Server) -> None:
    """Calls of each kind, of which some never end, and a connection that ends with an error."""
    async with RawClient(server.port) as client:
        watching = client.open(GET, WATCH)
        await client.until(client.heard[watching].messages, "a message")
        for request in (certify("web"), certify("refuse"), b"\xff", b""):
            await client.result(client.open(CERTIFY, request))
        client.open(CERTIFY, certify("wait"))
        client.open(CERTIFY, end=False, headers={"grpc-timeout": "1n"})
        client.open(CERTIFY, b"x" * 1000, end=False)
        client.open("/no.such/Method", b"x")
        client.wire.reset_stream(client.open(GET, WATCH))
        await client.pong()
        client.send(frame(0, 0, 0, b"data on no stream"))
        await client.end()


async def test_nothing_of_ours_waits_for_a_collection(
    server: H2Server, world: World, kept: list[object]
) -> None:
    world.topics["web"].publish(frozenset({1}))
    await come_and_go(server)  # what is made once may stay
    gc.collect()
    kept.clear()
    for _ in range(CLIENTS):
        await come_and_go(server)
    await eventually(lambda: not server._shared.connections, "the end of all connections")
    gc.collect()
    ours = Counter(
        type(each).__qualname__
        for each in kept
        if type(each).__module__.startswith(("linkerd.rpc", "linkerd.streams"))
    )
    assert ours == {}
