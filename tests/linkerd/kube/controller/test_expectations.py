"""Which of our writes the cache has shown."""

import pytest

from linkerd.kube.controller.expectations import PATIENCE, Expectations, Item
from linkerd.kube.objects import Key

LEDGER, TILL = Key("fin", "ledger"), Key("fin", "till")
ONE, TWO = Item("EndpointSlice", Key("fin", "s1")), Item("EndpointSlice", Key("fin", "s2"))


@pytest.fixture
def expected() -> Expectations[Key]:
    return Expectations()


def write(expected: Expectations[Key], item: Item = ONE, version: str | None = "2") -> None:
    """A write for LEDGER, at the time 0, that nothing overtakes."""
    expected.sending(LEDGER)
    expected.sent(item, version, 0.0)


def test_a_write_is_stale_until_it_is_seen(expected: Expectations[Key]) -> None:
    write(expected)
    assert expected.is_stale(LEDGER, 1.0)
    assert not expected.is_stale(TILL, 1.0)
    assert expected.saw(LEDGER, ONE, "2")
    assert not expected.is_stale(LEDGER, 1.0)
    assert not expected.saw(LEDGER, ONE, "2")


def test_somebody_elses_write_is_unexpected_and_shows_ours_too(expected: Expectations[Key]) -> None:
    write(expected)
    assert not expected.saw(LEDGER, ONE, "3")
    assert not expected.is_stale(LEDGER, 1.0)


def test_a_deletion(expected: Expectations[Key]) -> None:
    write(expected, version=None)
    assert expected.is_stale(LEDGER, 1.0)
    assert expected.saw(LEDGER, ONE, None)
    assert not expected.is_stale(LEDGER, 1.0)


def test_all_of_several_writes_are_to_be_seen(expected: Expectations[Key]) -> None:
    write(expected)
    write(expected, TWO, "3")
    assert expected.saw(LEDGER, TWO, "3")
    assert expected.is_stale(LEDGER, 1.0)
    assert expected.saw(LEDGER, ONE, "2")
    assert not expected.is_stale(LEDGER, 1.0)


@pytest.mark.parametrize("version", ["2", "3", None])
def test_what_the_cache_showed_before_the_answer_came_is_not_awaited(
    expected: Expectations[Key], version: str | None
) -> None:
    expected.sending(LEDGER)
    assert not expected.saw(LEDGER, ONE, version)
    expected.sent(ONE, "2", 0.0)
    assert not expected.is_stale(LEDGER, 1.0)


def test_other_objects_do_not_overtake(expected: Expectations[Key]) -> None:
    expected.sending(LEDGER)
    expected.saw(LEDGER, TWO, "2")
    expected.saw(TILL, ONE, "2")
    expected.sent(ONE, "3", 0.0)
    assert expected.is_stale(LEDGER, 1.0)


def test_what_came_during_a_write_that_failed_says_nothing_of_the_next(
    expected: Expectations[Key],
) -> None:
    expected.sending(LEDGER)
    expected.saw(LEDGER, ONE, "2")
    write(expected, version="3")
    assert expected.is_stale(LEDGER, 1.0)


def test_a_write_that_never_shows_is_not_awaited_for_ever(expected: Expectations[Key]) -> None:
    write(expected)
    assert expected.is_stale(LEDGER, PATIENCE)
    assert not expected.is_stale(LEDGER, PATIENCE + 1)


def test_it_forgets(expected: Expectations[Key]) -> None:
    write(expected)
    expected.clear()
    assert not expected.is_stale(LEDGER, 1.0)
