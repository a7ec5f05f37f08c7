"""Port lists. Ids of the catalogue: T196, T197."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.mesh.ports import NO_PORTS, PortSet, parse_ports


@pytest.mark.parametrize(("text", "ranges"), [("0-65535", ((0, 65535),)), ("33", ((33, 33),))])
def test_t196_valid(text: str, ranges: tuple[tuple[int, int], ...]) -> None:
    assert parse_ports(text) == (PortSet(ranges), ())


@pytest.mark.parametrize(
    "text", ["abc", "-23", "25-23", "65536-65539", "80-", "+5", "1-2-3", "8 0", "\u0663"]
)
def test_t196_invalid(text: str) -> None:
    assert parse_ports(text) == (NO_PORTS, (text,))


def test_t197_list_with_bad_items() -> None:
    ports, invalid = parse_ports("22, 80-82 ,banana,9300,")
    assert [port for port in range(65536) if port in ports] == [22, 80, 81, 82, 9300]
    assert invalid == ("banana",)


def test_empty_and_trailing_comma() -> None:
    assert parse_ports("") == (NO_PORTS, ())
    assert parse_ports(",") == (NO_PORTS, ("",))
    assert parse_ports("80,,") == (PortSet(((80, 80),)), ("",))


def test_names_win_over_numbers() -> None:
    ports, invalid = parse_ports("mysql,80-90", {"mysql": 3306, "80-90": 7})
    assert ports.ranges == ((7, 7), (3306, 3306))
    assert not invalid


def test_equal_sets_are_equal_however_they_were_written() -> None:
    assert parse_ports("1-2,3,4-5") == parse_ports("1-5") == parse_ports("4,1-3,2-5")


RANGES = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda p: (min(p), max(p))))


@given(RANGES, RANGES)
def test_a_set_of_ranges_is_the_set_of_its_ports(
    first: list[tuple[int, int]], second: list[tuple[int, int]]
) -> None:
    ports = PortSet.of(first)
    members = {port for low, high in first for port in range(low, high + 1)}
    assert {port for port in range(62) if port in ports} == members
    more = {low for low, _ in second}
    assert {port for port in range(62) if port in ports.with_ports(more)} == members | more
    assert PortSet.of(reversed(ports.ranges)) == ports


@given(st.text(max_size=30))
def test_nothing_raises(text: str) -> None:
    parse_ports(text)
