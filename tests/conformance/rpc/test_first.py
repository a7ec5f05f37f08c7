"""Unary calls answered with the first state of a topic, whatever engine serves them."""

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
import grpc.aio
import pytest

from linkerd.rpc.first import first
from linkerd.rpc.methods import Call, RpcError, ServiceTable, service
from linkerd.streams import Cursor, StreamEnd, Topic
from linkerd.stubs.proxy import inbound_pb2 as pb
from linkerd.stubs.proxy import inbound_pb2_grpc
from tests.support.eventually import eventually
from tests.support.rpc import World

Stub = Any  # grpc.aio's side of InboundServerPoliciesStub, which exists in stubs only


class Ports(World):
    """Port 1 has a topic; nobody knows others."""

    def __init__(self) -> None:
        super().__init__()
        self.encoded = 0
        self.left = asyncio.Event()
        self.topic: Topic[str] = Topic(self._delta, on_empty=self.left.set)
        self.patience = 60.0

    def tables(self) -> list[ServiceTable]:
        descriptor = pb.DESCRIPTOR.services_by_name["InboundServerPolicies"]
        get = first(self._watch, patience=self.patience)
        return [*super().tables(), service(descriptor, GetPort=get, WatchPort=self._watch)]

    async def _watch(self, request: pb.PortSpec, _call: Call) -> Cursor[str]:
        if request.port != 1:
            raise RpcError(grpc.StatusCode.NOT_FOUND, "port: unknown server")
        return self.topic.subscribe()

    def _delta(self, _last: str | None, current: str) -> Sequence[bytes]:
        self.encoded += 1
        return (pb.Server(labels={"name": current}).SerializeToString(),)


@pytest.fixture
def world() -> Ports:
    return Ports()


@pytest.fixture
def ports(channel: grpc.aio.Channel) -> Stub:
    return inbound_pb2_grpc.InboundServerPoliciesStub(channel)


async def failure(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


async def test_it_is_what_watchers_are_told_first(ports: Stub, world: Ports) -> None:
    world.topic.publish("web")
    answers = [await ports.GetPort(pb.PortSpec(port=1)) for _ in range(10)]
    watching = ports.WatchPort(pb.PortSpec(port=1))
    assert answers == [await watching.read()] * 10
    assert answers[0].labels["name"] == "web"
    assert world.encoded == 1, "encoded once for all of them"
    watching.cancel()
    await eventually(lambda: world.topic.subscribers == 0, "the last to leave")


async def test_what_the_watching_method_refuses_is_refused(ports: Stub) -> None:
    refused = await failure(ports.GetPort(pb.PortSpec(port=2)))
    assert refused == (grpc.StatusCode.NOT_FOUND, "port: unknown server")


async def test_a_state_that_comes_within_the_deadline_is_waited_for(
    ports: Stub, world: Ports
) -> None:
    call = asyncio.ensure_future(ports.GetPort(pb.PortSpec(port=1), timeout=60))
    await eventually(lambda: world.topic.subscribers == 1, "the call")
    assert not call.done()
    world.topic.publish("late")
    assert (await call).labels["name"] == "late"
    assert world.topic.subscribers == 0


async def test_a_state_that_does_not_come_is_unavailable(world: Ports, serve: Any) -> None:
    world.patience = 0.05
    server = await serve()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub = inbound_pb2_grpc.InboundServerPoliciesStub(channel)
        code, message = await failure(stub.GetPort(pb.PortSpec(port=1)))
    assert (code, message) == (grpc.StatusCode.UNAVAILABLE, "nothing is known yet: try again")
    assert world.topic.subscribers == 0


async def test_the_deadline_ends_the_wait(ports: Stub, world: Ports) -> None:
    code, _ = await failure(ports.GetPort(pb.PortSpec(port=1), timeout=0.2))
    assert code in {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE}
    await asyncio.wait_for(world.left.wait(), 10)


async def test_who_gives_up_leaves_the_topic(ports: Stub, world: Ports) -> None:
    call = ports.GetPort(pb.PortSpec(port=1))
    await eventually(lambda: world.topic.subscribers == 1, "the call")
    call.cancel()
    await asyncio.wait_for(world.left.wait(), 10)


@pytest.mark.parametrize("code", [grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.OK])
async def test_a_topic_that_ends_first_ends_the_call(
    ports: Stub, world: Ports, code: grpc.StatusCode
) -> None:
    call = asyncio.ensure_future(ports.GetPort(pb.PortSpec(port=1)))
    await eventually(lambda: world.topic.subscribers == 1, "the call")
    world.topic.end(StreamEnd(code, "no more"))
    ended, _ = await failure(call)
    assert ended is (grpc.StatusCode.UNAVAILABLE if code is grpc.StatusCode.OK else code)
    assert world.topic.subscribers == 0
