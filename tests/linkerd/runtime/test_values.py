"""Texts of flags become values and back."""

import contextlib
import math
import string
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import hypothesis.strategies as st
import pytest
from hypothesis import given

from linkerd.runtime.values import HostPort, parse_host_port, parser_for, show

WORDS = st.text(string.ascii_letters + string.digits + "-_./", min_size=1)
HOSTS = st.ip_addresses().map(str) | st.sampled_from(["", "localhost", "linkerd-dst.linkerd.svc"])
ADDRESSES = st.builds(HostPort, HOSTS, st.integers(0, 65535))
DURATIONS = st.timedeltas(timedelta(days=-10_000), timedelta(days=10_000))

TYPES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (str, st.text()),
    (int, st.integers()),
    (float, st.floats(allow_nan=False)),
    (bool, st.booleans()),
    (Path, WORDS.map(Path)),
    (timedelta, DURATIONS),
    (HostPort, ADDRESSES),
    (Literal["plain", "json"], st.sampled_from(["plain", "json"])),
    (tuple[str, ...], st.lists(WORDS).map(tuple)),
    (tuple[int, ...], st.lists(st.integers()).map(tuple)),
    (Path | None, st.none() | WORDS.map(Path)),
    (timedelta | None, st.none() | DURATIONS),
]


@pytest.mark.parametrize(("hint", "values"), TYPES, ids=[str(hint) for hint, _ in TYPES])
@given(data=st.data())
def test_what_is_shown_is_read_back(
    hint: Any, values: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    value = data.draw(values)
    read = parser_for(hint).parse(show(value))
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(("hint", "_values"), TYPES, ids=[str(hint) for hint, _ in TYPES])
@given(text=st.text())
def test_any_text_is_a_value_or_a_value_error(
    hint: Any, _values: st.SearchStrategy[Any], text: str
) -> None:
    parser = parser_for(hint)
    assert parser.accepts
    with contextlib.suppress(ValueError):
        parser.parse(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":8086", HostPort("", 8086)),
        ("127.0.0.1:0", HostPort("127.0.0.1", 0)),
        ("[::1]:65535", HostPort("::1", 65535)),
        ("localhost:80", HostPort("localhost", 80)),
    ],
)
def test_addresses(text: str, address: HostPort) -> None:
    assert parse_host_port(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("8086", "no port"),
        ("", "no port"),
        ("::1:80", "brackets"),
        (":65536", "not a number from 0"),
        (":-1", "not a number from 0"),
        (":\u0661", "not a number from 0"),
        ("localhost:", "not a number from 0"),
    ],
)
def test_bad_addresses_say_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_host_port(text)


@pytest.mark.parametrize("text", ["1_000", "1.0", "", "0x10", "one"])
def test_numbers_are_decimal(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parser_for(int).parse(text)


def test_booleans_are_those_of_go() -> None:
    parse = parser_for(bool).parse
    assert all(parse(text) for text in ("1", "t", "T", "true", "True", "TRUE"))
    assert not any(parse(text) for text in ("0", "f", "F", "false", "False", "FALSE"))
    for text in ("yes", "on", "tRUE", ""):
        with pytest.raises(ValueError, match=r".*"):
            parse(text)


def test_a_type_that_cannot_be_read_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="give it parse="):
        parser_for(dict[str, int])


def test_a_custom_parser_says_what_it_takes() -> None:
    def percent(text: str) -> float:
        """A share such as 25%."""
        return float(text.removesuffix("%")) / 100

    parser = parser_for(float, percent)
    assert parser.accepts == "A share such as 25%"
    assert math.isclose(parser.parse("25%"), 0.25)
