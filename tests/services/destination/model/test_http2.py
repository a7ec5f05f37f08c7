"""HTTP/2 parameters as the flag gives them."""

import pytest

from services.destination.model.http2 import (
    Duration,
    FlowControl,
    Http2Params,
    Internals,
    KeepAlive,
    parse_http2_params,
)


def test_as_manifests_write_them() -> None:
    text = '{"keep_alive":{"interval":{"seconds":7},"timeout":{"seconds":2},"while_idle":true}}'
    alive = KeepAlive(Duration(7), Duration(2), while_idle=True)
    assert parse_http2_params(text) == Http2Params(keep_alive=alive)


def test_any_case_and_unknown_keys() -> None:
    text = '{"Flow_Control":{"Adaptive_Flow_Control":true,"x":1},"internals":{"max_frame_size":5}}'
    assert parse_http2_params(text) == Http2Params(
        flow_control=FlowControl(adaptive_flow_control=True), internals=Internals(max_frame_size=5)
    )


def test_nothing() -> None:
    assert parse_http2_params("") is None


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "5",
        '{"keep_alive":{"interval":"10s"}}',
        '{"keep_alive":{"interval":{"seconds":99999999999999999999}}}',
        '{"internals":{"max_frame_size":-1}}',
        '{"internals":{"max_frame_size":4294967296}}',
        "[" * 100_000,
    ],
)
def test_malformed(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_http2_params(text)
