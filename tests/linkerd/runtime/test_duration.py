"""Go durations, read and written."""

import contextlib
from datetime import timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from linkerd.runtime.duration import format_go_duration, parse_go_duration
from linkerd.runtime.errors import DurationError

MICROSECOND = timedelta(microseconds=1)
GO_LIMIT = timedelta(days=365 * 292)
DURATIONS = st.timedeltas(-GO_LIMIT, GO_LIMIT)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("0", timedelta(0)),
        ("0s", timedelta(0)),
        ("24h0m0s", timedelta(hours=24)),
        ("250ms", timedelta(milliseconds=250)),
        ("1h15m30.918s", timedelta(hours=1, minutes=15, seconds=30.918)),
        ("-1.5h", timedelta(hours=-1.5)),
        ("+5s", timedelta(seconds=5)),
        (".5s", timedelta(milliseconds=500)),
        ("1.s", timedelta(seconds=1)),
        ("10us", 10 * MICROSECOND),
        ("10\u00b5s", 10 * MICROSECOND),
        ("10\u03bcs", 10 * MICROSECOND),
        ("1ns", timedelta(0)),
        ("1600ns", 2 * MICROSECOND),
        ("3m2h1s1s", timedelta(hours=2, minutes=3, seconds=2)),
    ],
)
def test_what_go_reads_is_read(text: str, duration: timedelta) -> None:
    assert parse_go_duration(text) == duration


@pytest.mark.parametrize(
    "text",
    ["", "3", "-", "s", ".s", "1x", "1 s", " 1s", "1s ", "1h-2m", "--1s", "1e3s", "\u0661s", "1d"],
)
def test_what_go_refuses_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(DurationError, match="write it like 24h0m0s, 1m30s or 250ms"):
        parse_go_duration(text)


def test_the_longest_duration_is_that_of_go() -> None:
    assert parse_go_duration("9223372036854775807ns")
    with pytest.raises(DurationError, match="longer than 292 years"):
        parse_go_duration("9223372036854775808ns")


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "0s"),
        (timedelta(hours=24), "24h0m0s"),
        (timedelta(seconds=90), "1m30s"),
        (timedelta(milliseconds=1500), "1.5s"),
        (timedelta(milliseconds=250), "250ms"),
        (timedelta(microseconds=1500), "1.5ms"),
        (10 * MICROSECOND, "10\u00b5s"),
        (-timedelta(hours=1, microseconds=1), "-1h0m0.000001s"),
    ],
)
def test_durations_are_written_as_go_writes_them(duration: timedelta, text: str) -> None:
    assert format_go_duration(duration) == text


@given(DURATIONS)
@example(-MICROSECOND)
def test_what_is_written_is_read_back(duration: timedelta) -> None:
    assert parse_go_duration(format_go_duration(duration)) == duration


@given(st.text() | st.from_regex(r"[-+]?([0-9.]+[nu\u00b5mshd]+)*"))
def test_any_text_is_a_duration_or_an_error(text: str) -> None:
    with contextlib.suppress(DurationError):
        assert abs(parse_go_duration(text)) <= timedelta(microseconds=2**63 // 1000 + 1)
