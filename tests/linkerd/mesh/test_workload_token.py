"""Workload tokens, as proxies send them to ask for policy."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.mesh.workload_token import WorkloadToken, WorkloadTokenError, parse_workload


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ('{"ns":"orchard","pod":"pear-0"}', WorkloadToken("orchard", "pear-0")),
        (' {"ns": "orchard", "pod": "pear-0", "more": [1]} \n', WorkloadToken("orchard", "pear-0")),
        (
            '{"ns":"orchard","external_workload":"vm-7"}',
            WorkloadToken("orchard", "vm-7", is_external=True),
        ),
        ("orchard:pear-0", WorkloadToken("orchard", "pear-0")),
        ("orchard:pear:0", WorkloadToken("orchard", "pear:0")),
    ],
)
def test_tokens_name_a_workload(text: str, token: WorkloadToken) -> None:
    assert parse_workload(text) == token


@pytest.mark.parametrize(
    "text",
    [
        *("", "orchard", ":x", "x:", "oops", "{", "{}", '{"ns":"orchard"}', '{"pod":"pear-0"}'),
        *("a" * 254 + ":b", "a:" + "b" * 254, json.dumps({"ns": "a" * 254, "pod": "b"})),
        *('{"ns":"","pod":"pear-0"}', '{"ns":"orchard","pod":""}', '{"ns":1,"pod":"pear-0"}'),
        *('{"ns":"orchard","external_workload":""}', '{"ns":"a","pod":"b"} c', '{"ns":\ud800}'),
    ],
)
def test_anything_else_is_an_error_that_says_what_to_send(text: str) -> None:
    with pytest.raises(WorkloadTokenError, match="must be JSON with ns and pod"):
        parse_workload(text)


def test_what_an_error_repeats_is_cut() -> None:
    with pytest.raises(WorkloadTokenError) as error:
        parse_workload("x" * 10_000)
    assert len(str(error.value)) < 300


@given(st.text(max_size=40) | st.recursive(st.text(), st.lists, max_leaves=5).map(json.dumps))
def test_nothing_else_is_raised(text: str) -> None:
    try:
        token = parse_workload(text)
    except WorkloadTokenError:
        return
    assert token.namespace
    assert token.name
