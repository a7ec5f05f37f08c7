"""Retries of annotations."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.policy.errors import PolicyError
from linkerd.policy.retries import (
    GrpcCondition,
    GrpcRetry,
    HttpRetry,
    judge_grpc_retry,
    judge_http_retry,
)

HTTP = "retry.linkerd.io/http"
GRPC = "retry.linkerd.io/grpc"
LIMIT = "retry.linkerd.io/limit"
TIMEOUT = "retry.linkerd.io/timeout"


def test_o31_statuses_limit_and_timeout() -> None:
    found = judge_http_retry({HTTP: "5xx,429", LIMIT: "3", TIMEOUT: "400ms"})
    assert found == HttpRetry(((500, 599), (429, 429)), 3, timedelta(milliseconds=400))


@pytest.mark.parametrize(
    ("text", "statuses"),
    [
        ("5XX", [(500, 599)]),
        ("Gateway-Error", [(502, 504)]),
        ("100", [(100, 100)]),
        ("599-599", [(599, 599)]),
        ("400-404,gateway-error", [(400, 404), (502, 504)]),
    ],
)
def test_o31_how_statuses_are_written(text: str, statuses: list[tuple[int, int]]) -> None:
    assert judge_http_retry({HTTP: text}) == HttpRetry(tuple(statuses))


@pytest.mark.parametrize(
    "text",
    [
        "451-404",
        "99",
        "600",
        "",
        "5xx,",
        "5xx, 429",
        "4xx",
        "500-",
        "-500",
        "0500-600",
        "\u0665\u0660\u0660",
    ],
)
def test_o32_what_is_no_status(text: str) -> None:
    with pytest.raises(PolicyError) as raised:
        judge_http_retry({HTTP: text})
    assert raised.value.field == "metadata.annotations[retry.linkerd.io/http]"


@given(st.integers(0, 1_000), st.integers(0, 1_000))
def test_o32_every_range(low: int, high: int) -> None:
    text = f"{low}-{high}"
    if 100 <= low <= high <= 599:
        assert judge_http_retry({HTTP: text}) == HttpRetry(((low, high),))
    else:
        with pytest.raises(PolicyError):
            judge_http_retry({HTTP: text})


def test_o33_statuses_of_grpc() -> None:
    found = judge_grpc_retry({GRPC: "unavailable,internal,unavailable"})
    assert found == GrpcRetry((GrpcCondition.INTERNAL, GrpcCondition.UNAVAILABLE))


def test_o33_every_status_of_grpc() -> None:
    text = "cancelled,deadline-exceeded,internal,resource-exhausted,unavailable"
    assert judge_grpc_retry({GRPC: text}) == GrpcRetry(tuple(GrpcCondition))


@pytest.mark.parametrize("text", ["", "unknown", "14", "internal, cancelled", "internal,"])
def test_o33_what_is_no_status_of_grpc(text: str) -> None:
    with pytest.raises(PolicyError, match="is none of cancelled, deadline-exceeded, "):
        judge_grpc_retry({GRPC: text})


@pytest.mark.parametrize(("text", "limit"), [("0", 1), ("1", 1), ("65535", 65535), ("+2", 2)])
def test_the_limit(text: str, limit: int) -> None:
    assert judge_http_retry({LIMIT: text}) == HttpRetry(limit=limit)
    assert judge_grpc_retry({LIMIT: text}) == GrpcRetry(limit=limit)


@pytest.mark.parametrize("text", ["", "-1", "65536", "1.0", " 1", "9" * 5_000, "two"])
def test_what_is_no_limit(text: str) -> None:
    with pytest.raises(PolicyError, match="must be a whole number from 0 to 65535"):
        judge_http_retry({LIMIT: text})


def test_any_annotation_is_a_retry_and_none_is_none() -> None:
    assert judge_http_retry({TIMEOUT: "1s"}) == HttpRetry(timeout=timedelta(seconds=1))
    assert judge_http_retry({}) is None
    assert judge_grpc_retry({}) is None


def test_one_protocol_does_not_read_the_other() -> None:
    assert judge_http_retry({GRPC: "nonsense"}) is None
    assert judge_grpc_retry({HTTP: "nonsense"}) is None
