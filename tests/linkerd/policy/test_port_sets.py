"""The grammar of ports in annotations of policy."""

import pytest

from linkerd.mesh.ports import PortSet
from linkerd.policy.port_sets import parse_port_set


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        pytest.param("1-3,5", ((1, 3), (5, 5)), id="i55"),
        ("", ()),
        ("80", ((80, 80),)),
        (" 80 , 7000-7005 ", ((80, 80), (7000, 7005))),
        ("65535", ((65535, 65535),)),
    ],
)
def test_ports_and_ranges_are_taken(text: str, ranges: tuple[tuple[int, int], ...]) -> None:
    assert parse_port_set(text) == PortSet(ranges)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("0", "0"),
        ("0-5", "0"),
        ("3-1", "3-1"),
        ("65536", "65536"),
        ("9-", "9-"),
        ("80,http", "http"),
        ("80,", ""),
        (",", ""),
        ("-1", "-1"),
    ],
)
def test_anything_else_is_a_mistake_that_is_named(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=f"^'{wrong}' is neither a port"):
        parse_port_set(text)
