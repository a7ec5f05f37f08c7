"""The fit finds the coefficients that costs were made from, and says when it cannot."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.least_squares import CLAIM, WIDER, Cell, fit

LOADS = list(itertools.product((10, 100, 1000), (100, 1000, 10_000), (1, 9)))
COEFFICIENT = st.floats(1, 1e4)


@given(COEFFICIENT, COEFFICIENT, COEFFICIENT)
def test_an_exact_law_is_found(fixed: float, listener: float, changed: float) -> None:
    cells = [
        Cell(endpoints, listeners, n, fixed + listener * listeners + changed * n)
        for endpoints, listeners, n in LOADS
    ]
    found = fit(cells, CLAIM)
    cheapest = min(cell.cost for cell in cells)
    assert found.worst_error < 1e-6
    assert found.terms["listeners"] == pytest.approx(listener, rel=1e-6)
    assert found.terms["fixed"] == pytest.approx(fixed, abs=1e-6 * cheapest)
    assert found.terms["changed"] == pytest.approx(changed, abs=1e-6 * cheapest)


@pytest.mark.parametrize("product", [0.0, 0.05])
def test_a_product_of_endpoints_and_listeners_shows(product: float) -> None:
    cells = [
        Cell(endpoints, listeners, n, 1000 + listeners * (30 + product * endpoints))
        for endpoints, listeners, n in LOADS
    ]
    found = fit(cells, WIDER)
    assert found.terms["endpoints*listeners"] == pytest.approx(product, abs=1e-9)
    if product:
        assert fit(cells, CLAIM).worst_error > 0.2


def test_loads_that_do_not_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="tell the terms of the fit apart"):
        fit([Cell(10, 100, 1, 5.0)] * 4, CLAIM)
