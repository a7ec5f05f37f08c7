"""Errors become short statuses; what was not foreseen is logged under an id, not told."""

import grpc
import hypothesis.strategies as st
import pytest
import structlog
from google.protobuf.message import Message
from hypothesis import given

from linkerd.rpc.dispatch import MAX_MESSAGE_BYTES, decode, encode, shorten, status_of
from linkerd.rpc.methods import Call, Method, RpcError, service
from linkerd.streams import StreamEnd
from linkerd.stubs.proxy import identity_pb2


async def certify(_request: Message, _call: Call) -> Message:
    return identity_pb2.CertifyResponse()


METHOD: Method = service(
    identity_pb2.DESCRIPTOR.services_by_name["Identity"], Certify=certify
).methods["Certify"]


def test_a_request_that_is_no_such_message_is_named() -> None:
    with pytest.raises(RpcError) as caught:
        decode(METHOD, b"\xff\xff\xff")
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "io.linkerd.proxy.identity.CertifyRequest" in caught.value.message


def test_another_response_than_promised_is_our_mistake() -> None:
    with pytest.raises(TypeError, match="Identity/Certify returned CertifyRequest"):
        encode(METHOD, identity_pb2.CertifyRequest())


@pytest.mark.parametrize("error_type", [RpcError, StreamEnd])
def test_foreseen_errors_keep_code_and_message(error_type: type[RpcError]) -> None:
    error = error_type(grpc.StatusCode.NOT_FOUND, "name: nobody has it")
    assert status_of(METHOD, error) == (grpc.StatusCode.NOT_FOUND, "name: nobody has it")


class RefusalError(Exception):
    """Of a service."""


class SpecialError(RefusalError):
    """One that differs."""


class WorseError(SpecialError):
    """One that the table does not name."""


def test_errors_of_a_service_have_the_status_that_its_table_says() -> None:
    method = service(
        identity_pb2.DESCRIPTOR.services_by_name["Identity"],
        errors={RefusalError: grpc.StatusCode.NOT_FOUND, SpecialError: grpc.StatusCode.UNAVAILABLE},
        Certify=certify,
    ).methods["Certify"]
    assert status_of(method, RefusalError("name: no")) == (grpc.StatusCode.NOT_FOUND, "name: no")
    assert status_of(method, SpecialError("later")) == (grpc.StatusCode.UNAVAILABLE, "later")
    assert status_of(method, WorseError("x" * 5000))[0] is grpc.StatusCode.UNAVAILABLE
    assert len(status_of(method, WorseError("x" * 5000))[1]) == MAX_MESSAGE_BYTES
    assert status_of(method, ValueError("secret"))[0] is grpc.StatusCode.INTERNAL


def test_an_unforeseen_error_is_told_by_id_only() -> None:
    with structlog.testing.capture_logs() as logs:
        code, message = status_of(METHOD, ValueError("the secret of the house"))
    assert code is grpc.StatusCode.INTERNAL
    assert "secret" not in message
    (line,) = logs
    assert line["error_id"] in message
    assert line["method"] == "/io.linkerd.proxy.identity.Identity/Certify"
    assert isinstance(line["exc_info"], ValueError)


@given(st.text(st.characters(), max_size=3000))
def test_messages_to_clients_are_short_and_printable(text: str) -> None:
    short = shorten(text)
    assert len(short.encode(errors="replace")) <= MAX_MESSAGE_BYTES
    assert short.isprintable()
    if len(text) < 200 and text.isprintable():
        assert short == text
