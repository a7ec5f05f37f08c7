"""Unary calls, whatever engine serves them."""

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest
from prometheus_client import CollectorRegistry

from linkerd.stubs.proxy import identity_pb2, identity_pb2_grpc
from tests.support.eventually import eventually
from tests.support.rpc import CERTIFY, World


@pytest.fixture
def identity(channel: grpc.aio.Channel) -> "identity_pb2_grpc.IdentityAsyncStub":
    return identity_pb2_grpc.IdentityStub(channel)


def request(identity: str) -> identity_pb2.CertifyRequest:
    return identity_pb2.CertifyRequest(identity=identity)


def raw(channel: grpc.aio.Channel, path: str) -> Any:
    """A method that takes and gives bytes."""
    return channel.unary_unary(path)


async def failure(call: Any) -> tuple[grpc.StatusCode, str]:
    """The status of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


async def test_a_method_answers(identity: "identity_pb2_grpc.IdentityAsyncStub") -> None:
    answer = await identity.Certify(request("web"))
    assert answer.intermediate_certificates == [b"web"]


async def test_a_method_sees_metadata_peer_and_deadline(
    identity: "identity_pb2_grpc.IdentityAsyncStub", world: World
) -> None:
    await identity.Certify(request("web"), metadata=(("zone", "a"), ("x-bin", b"\x00")), timeout=60)
    await identity.Certify(request("web"))
    with_deadline, without = world.calls
    assert with_deadline.metadata["zone"] == "a"
    assert with_deadline.metadata["x-bin"] == b"\x00"
    assert with_deadline.peer.startswith("ipv4:127.0.0.1:")
    assert with_deadline.time_remaining is not None
    assert 0 < with_deadline.time_remaining <= 61  # on the wire it is rounded up
    assert without.time_remaining is None


async def test_a_call_that_is_over_can_still_be_asked(
    identity: "identity_pb2_grpc.IdentityAsyncStub", world: World, registry: CollectorRegistry
) -> None:
    await identity.Certify(request("web"))
    await eventually(lambda: handled(registry, "Certify", "OK") == 1, "the end of the call")
    (seen,) = world.calls
    assert seen.call.peer == seen.peer
    assert seen.call.metadata == {}
    assert seen.call.time_remaining() is None


async def test_a_refusal_has_its_code_and_a_short_message(
    identity: "identity_pb2_grpc.IdentityAsyncStub",
) -> None:
    code, message = await failure(identity.Certify(request("refuse")))
    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert message.startswith("identity: refused!!!")
    assert len(message) <= 1000


@pytest.mark.parametrize("how", ["crash", "nonsense"])
async def test_our_mistakes_are_internal_and_keep_their_secrets(
    identity: "identity_pb2_grpc.IdentityAsyncStub", how: str
) -> None:
    code, message = await failure(identity.Certify(request(how)))
    assert code is grpc.StatusCode.INTERNAL
    assert message.startswith("internal error; the server's log has it under ")
    answer = await identity.Certify(request("web"))
    assert answer.intermediate_certificates == [b"web"]


async def test_an_undecodable_request_is_named(channel: grpc.aio.Channel) -> None:
    code, message = await failure(raw(channel, CERTIFY)(b"\xff\xff\xff"))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert message == "request is not a valid io.linkerd.proxy.identity.CertifyRequest message"


@pytest.mark.parametrize(
    "path", ["/io.linkerd.proxy.identity.Identity/Revoke", "/no.such.Service/Method"]
)
async def test_unknown_methods_are_unimplemented(channel: grpc.aio.Channel, path: str) -> None:
    code, _ = await failure(raw(channel, path)(b""))
    assert code is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("size", [(1 << 20) + 1, 10 << 20])
async def test_a_request_over_the_limit_is_refused_and_the_connection_lives(
    channel: grpc.aio.Channel,
    identity: "identity_pb2_grpc.IdentityAsyncStub",
    world: World,
    size: int,
) -> None:
    code, _ = await failure(raw(channel, CERTIFY)(bytes(size)))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not world.calls
    large = "x" * 1_000_000
    answer = await identity.Certify(request(large))
    assert answer.intermediate_certificates == [large.encode()]
    assert len({call.peer for call in world.calls}) == 1


async def test_a_method_whose_client_is_gone_is_cancelled(
    identity: "identity_pb2_grpc.IdentityAsyncStub", world: World, registry: CollectorRegistry
) -> None:
    call = identity.Certify(request("wait"))
    await asyncio.wait_for(world.entered.wait(), 10)
    call.cancel()
    await asyncio.wait_for(world.cancelled.wait(), 10)
    await eventually(lambda: handled(registry, "Certify", "Canceled") == 1, "the count")


async def test_a_method_is_cancelled_at_its_deadline(
    identity: "identity_pb2_grpc.IdentityAsyncStub", world: World
) -> None:
    code, _ = await failure(identity.Certify(request("wait"), timeout=0.2))
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(world.cancelled.wait(), 10)


async def test_calls_are_counted(
    identity: "identity_pb2_grpc.IdentityAsyncStub", registry: CollectorRegistry
) -> None:
    for _ in range(3):
        await identity.Certify(request("web"))
    await failure(identity.Certify(request("refuse")))
    await eventually(lambda: handled(registry, "Certify", "OK") == 3, "the count")
    assert handled(registry, "Certify", "PermissionDenied") == 1
    labels = {
        "grpc_type": "unary",
        "grpc_service": "io.linkerd.proxy.identity.Identity",
        "grpc_method": "Certify",
    }
    assert registry.get_sample_value("grpc_server_started_total", labels) == 4
    assert registry.get_sample_value("grpc_server_msg_received_total", labels) == 4
    assert registry.get_sample_value("grpc_server_msg_sent_total", labels) == 3
    assert registry.get_sample_value("grpc_server_handling_seconds_count", labels) == 4


def handled(registry: CollectorRegistry, method: str, code: str) -> float | None:
    """How many calls of a unary method ended with `code`."""
    return registry.get_sample_value(
        "grpc_server_handled_total",
        {
            "grpc_type": "unary",
            "grpc_service": "io.linkerd.proxy.identity.Identity",
            "grpc_method": method,
            "grpc_code": code,
        },
    )
