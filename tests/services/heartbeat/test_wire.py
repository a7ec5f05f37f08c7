"""The request's URL, and Prometheus' answers, well-formed or not."""

import json
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from services.heartbeat.errors import NoValueError
from services.heartbeat.urls import parse_prometheus_url
from services.heartbeat.wire import heartbeat_url, query_url, read_number

ENDPOINT = URL("https://checks.example/version.json")
TEXT = st.text(st.characters(codec="utf-8"), min_size=1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def vector(*values: object, kind: str = "vector") -> bytes:
    result = [{"metric": {}, "value": [1700000000.5, value]} for value in values]
    return json.dumps(
        {"status": "success", "data": {"resultType": kind, "result": result}}
    ).encode()


def test_parameters_are_sorted_and_encoded() -> None:
    url = heartbeat_url(ENDPOINT, {"total-rps": "+Inf", "ext-b": "1", "a": "x y&z", "ext-a": "1"})
    assert str(url) == f"{ENDPOINT}?a=x+y%26z&ext-a=1&ext-b=1&total-rps=%2BInf"


@given(st.dictionaries(TEXT, TEXT, min_size=1))
def test_parameters_survive_the_url(parameters: dict[str, str]) -> None:
    query = heartbeat_url(ENDPOINT, parameters).raw_query_string
    assert parse_qsl(query, strict_parsing=True) == sorted(parameters.items())


@pytest.mark.parametrize(
    ("prometheus", "start"),
    [
        ("http://x:9090", "http://x:9090/api/v1/query?query="),
        ("http://x:9090/", "http://x:9090/api/v1/query?query="),
        ("https://x/some/prefix", "https://x/some/prefix/api/v1/query?query="),
        ("https://x/some/prefix/", "https://x/some/prefix/api/v1/query?query="),
    ],
)
def test_queries_go_below_the_prometheus_url(prometheus: str, start: str) -> None:
    url = str(query_url(parse_prometheus_url(prometheus), 'sum(a{b="c"} + 1)'))
    assert url == f"{start}sum%28a%7Bb%3D%22c%22%7D+%2B+1%29"


@pytest.mark.parametrize(
    ("text", "number"),
    [("12.6", 12.6), ("+Inf", float("inf")), ("-Inf", float("-inf")), ("1e3", 1000.0)],
)
def test_one_sample_is_a_number(text: str, number: float) -> None:
    assert read_number(200, vector(text)) == number


@pytest.mark.parametrize(
    "body",
    [
        vector(),
        vector("1", "2"),
        vector("NaN"),
        vector("twelve"),
        vector(12),
        vector("1", kind="matrix"),
        b'{"status": "success", "data": {"resultType": "scalar", "result": [1.5, "1"]}}',
        b'{"status": "success", "data": {"resultType": "vector", "result": [{"histogram": []}]}}',
        b'{"status": "success"}',
        b'{"status": "error", "errorType": "execution", "error": "no"}',
        b"<html>sign in</html>",
        b"\xff",
        b"",
        b"[" * 100_000,
    ],
)
def test_h4_anything_else_is_none(body: bytes) -> None:
    with pytest.raises(NoValueError):
        read_number(200, body)


def test_an_error_of_prometheus_is_told() -> None:
    body = b'{"status": "error", "errorType": "bad_data", "error": "parse error"}'
    with pytest.raises(NoValueError, match=r"400.*parse error"):
        read_number(400, body)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_answer_breaks_the_reader(body: bytes) -> None:
    with pytest.raises(NoValueError):
        read_number(200, body)


@given(st.lists(JSON, max_size=2), JSON)
def test_no_result_breaks_the_reader(samples: list[object], value: object) -> None:
    result = [*samples, {"value": value}]
    data = {"resultType": "vector", "result": result}
    with pytest.raises(NoValueError):
        read_number(200, json.dumps({"status": "success", "data": data}).encode())
