"""What peers may cost us: spent, earned, back with time, and not new with every connection."""

import pytest

from linkerd.rpc.h2.budget import (
    BURST,
    DEBT,
    PER_FRAME,
    PER_SECOND,
    Allowance,
    Budget,
    Budgets,
    Standing,
    earned,
)
from linkerd.rpc.h2.costs import cost_of_updates

GOOD, SLOWED, CLOSED = Standing.GOOD, Standing.SLOWED, Standing.CLOSED
HERE = "10.0.0.1"


def test_a_budget_is_spent_earned_and_comes_back_with_time() -> None:
    budget = Budget(0.0)
    assert budget.spend(BURST, 0.0) is GOOD
    assert budget.spend(1, 0.0) is SLOWED
    budget.earn(4)
    assert budget.spend(3, 0.0) is GOOD
    assert budget.spend(1, 0.0) is SLOWED
    assert budget.standing(1.0) is GOOD
    assert budget.spend(int(PER_SECOND), 1.0) is SLOWED
    assert budget.spend(DEBT, 1.0) is CLOSED
    assert budget.spend(BURST, 1e6) is GOOD
    assert budget.spend(1, 1e6) is SLOWED  # never more than the burst


def test_who_takes_large_messages_by_the_kilobyte_pays_no_more_than_it_earns() -> None:
    for size in (1024, 4096, 16384):
        updates = 2 * size // 1024  # of the stream and of the connection
        assert cost_of_updates(updates, 3).units <= earned(size, ends=False)


def test_who_takes_them_byte_by_byte_pays() -> None:
    assert earned(1, ends=False) < 0
    assert earned(1, ends=True) == earned(512, ends=False) == PER_FRAME


def test_updates_cost_the_same_however_many_are_looked_at_together() -> None:
    at_once = cost_of_updates(100, 0).units
    assert sum(cost_of_updates(1, before).units for before in range(100)) == at_once == 25


def admitted(budgets: Budgets, peer: str, now: float = 0.0) -> Allowance:
    """The allowance of a connection that must be let in."""
    allowance = budgets.admit(peer, HERE, now)
    assert allowance is not None
    return allowance


def test_reconnecting_renews_no_budget() -> None:
    budgets = Budgets(0.0)
    assert admitted(budgets, "10.0.0.2").spend(BURST, 0.0) is SLOWED
    assert admitted(budgets, "10.0.0.2").standing(0.0) is SLOWED
    assert admitted(budgets, "10.0.0.3").standing(0.0) is GOOD


def test_who_was_closed_is_turned_away_for_a_while() -> None:
    budgets = Budgets(0.0)
    assert admitted(budgets, "10.0.0.2").spend(BURST + DEBT, 0.0) is CLOSED
    assert budgets.admit("10.0.0.2", HERE, 1.0) is None
    assert budgets.admit("10.0.0.3", HERE, 1.0) is not None
    assert budgets.admit("10.0.0.2", HERE, DEBT / PER_SECOND) is not None


def test_connecting_costs_too() -> None:
    budgets = Budgets(0.0)
    for _ in range(BURST):
        if budgets.admit("10.0.0.2", HERE, 0.0) is None:
            return
    raise AssertionError("an address may connect without end")


def test_a_network_of_ipv6_is_one_peer() -> None:
    budgets = Budgets(0.0)
    assert admitted(budgets, "fd00:0:0:1::1").spend(BURST, 0.0) is SLOWED
    assert admitted(budgets, "fd00:0:0:1::2").standing(0.0) is SLOWED
    assert admitted(budgets, "fd00:0:0:2::1").standing(0.0) is GOOD


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", HERE, ""])
def test_a_sidecars_connections_are_judged_one_by_one(peer: str) -> None:
    budgets = Budgets(0.0)
    bystander = admitted(budgets, peer)
    for _ in range(20):
        assert admitted(budgets, peer).spend(BURST + DEBT, 0.0) is CLOSED
    assert bystander.spend(1, 0.0) is GOOD
    assert admitted(budgets, peer).standing(0.0) is GOOD  # nobody is locked out
    assert admitted(budgets, peer).spend(BURST // 2, 0.0) is SLOWED  # but all begin with little


def test_a_line_is_logged_once_in_a_while() -> None:
    allowance = admitted(Budgets(0.0), "10.0.0.2")
    assert allowance.may_log(0.0)
    assert not allowance.may_log(59.0)
    assert allowance.may_log(61.0)
