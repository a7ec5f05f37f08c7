"""What the headers of an answer mean, whoever sends it."""

import re

import grpc
import hypothesis.strategies as st
import pytest
from hypothesis import given

from linkerd.rpc.client.headers import end_of, refusal_of, request_headers
from linkerd.rpc.h2.headers import request_of, status
from linkerd.rpc.methods import signatures
from linkerd.stubs.proxy import identity_pb2

CERTIFY = signatures(identity_pb2.DESCRIPTOR.services_by_name["Identity"])["Certify"]
GRPC = (b":status", b"200"), (b"content-type", b"application/grpc+proto")
CODES = st.sampled_from(grpc.StatusCode)


@given(st.floats(min_value=0, max_value=1e9))
def test_a_server_of_ours_reads_the_deadline_not_too_soon(seconds: float) -> None:
    headers = request_headers(CERTIFY, b"http", "web", seconds, {})
    read = request_of(headers)
    assert read.path == CERTIFY.path.encode()
    assert read.timeout is not None
    assert seconds <= read.timeout * 1.0001
    assert read.timeout <= max(seconds * 1.1, seconds + 1)


@given(CODES, st.text(st.characters(codec="utf-8"), max_size=50))
def test_a_status_of_a_server_of_ours_comes_back(code: grpc.StatusCode, text: str) -> None:
    message = re.sub(r"\s|[^\S ]", "", text)
    error = end_of(status(code, message, answered=True))
    if code is grpc.StatusCode.OK:
        assert error is None
        return
    assert error is not None
    assert error.code is code
    if message.isprintable():
        assert error.message == message


@given(st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=40)), max_size=6))
def test_any_headers_have_a_meaning(headers: list[tuple[bytes, bytes]]) -> None:
    refusal_of(headers)
    end_of([*headers, (b"grpc-message", b"%zz%e2%98"), (b"grpc-status", b"5")])


@pytest.mark.parametrize("number", [b"17", b"999999999999", b"-1", b"", b"x", b"\xb2"])
def test_a_code_that_nobody_knows_is_unknown(number: bytes) -> None:
    error = end_of([(b"grpc-status", number)])
    assert error is not None
    assert error.code is grpc.StatusCode.UNKNOWN


def test_an_end_without_a_status_is_a_breach() -> None:
    error = end_of([])
    assert error is not None
    assert error.code is grpc.StatusCode.INTERNAL


def test_answers_of_grpc_are_not_refusals() -> None:
    assert refusal_of(GRPC) is None
    assert refusal_of([(b":status", b"502"), (b"grpc-status", b"14")]) is None


@pytest.mark.parametrize(
    ("http", "code"),
    [
        (b"403", grpc.StatusCode.PERMISSION_DENIED),
        (b"404", grpc.StatusCode.UNIMPLEMENTED),
        (b"502", grpc.StatusCode.UNAVAILABLE),
        (b"503", grpc.StatusCode.UNAVAILABLE),
        (b"418", grpc.StatusCode.UNKNOWN),
    ],
)
def test_what_a_proxy_answers_has_a_code(http: bytes, code: grpc.StatusCode) -> None:
    error = refusal_of([(b":status", http), (b"l5d-proxy-error", b"no route")])
    assert error is not None
    assert (error.code, error.message) == (code, f"HTTP status {http.decode()}: no route")


def test_an_answer_that_is_not_grpc_is_named() -> None:
    error = refusal_of([(b":status", b"200"), (b"content-type", b"text/html")])
    assert error is not None
    assert error.message == "the answer is not gRPC but text/html"
