"""Least squares for the cost of one change.

The model that we claim is `cost = a + b*listeners + c*changed`. The test of the claim is the
wider model, which adds the products that a careless server would have: if the coefficient of
`endpoints*listeners` is next to nothing, no stream pays for endpoints that did not change.
Costs span four orders of magnitude, so residuals are relative: a small cell counts as much as
a large one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Cell:
    """One measured load: `cost` in microseconds of server CPU for one change."""

    endpoints: int
    listeners: int
    changed: int
    cost: float


Term: TypeAlias = Callable[[Cell], float]

CLAIM: Mapping[str, Term] = {
    "fixed": lambda cell: 1.0,
    "listeners": lambda cell: float(cell.listeners),
    "changed": lambda cell: float(cell.changed),
}

WIDER: Mapping[str, Term] = {
    **CLAIM,
    "endpoints": lambda cell: float(cell.endpoints),
    "changed*listeners": lambda cell: float(cell.changed * cell.listeners),
    "endpoints*listeners": lambda cell: float(cell.endpoints * cell.listeners),
}


@dataclass(frozen=True, slots=True)
class Fit:
    """Coefficients by term, in microseconds, and the typical and worst relative error."""

    terms: Mapping[str, float]
    mean_error: float
    worst_error: float


def fit(cells: Sequence[Cell], terms: Mapping[str, Term]) -> Fit:
    """Least relative squares; ValueError when the cells cannot tell the terms apart."""
    rows = [[term(cell) / cell.cost for term in terms.values()] for cell in cells]
    solution = _solve(*_normal_equations(rows))
    errors = [abs(sum(x * k for x, k in zip(row, solution, strict=True)) - 1) for row in rows]
    return Fit(dict(zip(terms, solution, strict=True)), sum(errors) / len(errors), max(errors))


def _normal_equations(rows: Sequence[Sequence[float]]) -> tuple[list[list[float]], list[float]]:
    """The system of the least squares of `rows . x = 1`."""
    size = range(len(rows[0]))
    matrix = [[sum(row[i] * row[j] for row in rows) for j in size] for i in size]
    return matrix, [sum(row[i] for row in rows) for i in size]


def _solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Gauss-Jordan with scaled rows and pivots; the systems here have six unknowns at most."""
    size = len(right)
    scale = [matrix[i][i] ** 0.5 or 1.0 for i in range(size)]
    table = [
        [matrix[i][j] / (scale[i] * scale[j]) for j in range(size)] + [right[i] / scale[i]]
        for i in range(size)
    ]
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(table[row][column]))
        if abs(table[pivot][column]) < 1e-12:
            raise ValueError("the measured loads do not tell the terms of the fit apart")
        table[column], table[pivot] = table[pivot], table[column]
        _eliminate(table, column)
    return [table[i][size] / scale[i] for i in range(size)]


def _eliminate(table: list[list[float]], column: int) -> None:
    head = table[column][column]
    table[column] = [value / head for value in table[column]]
    for row in range(len(table)):
        if row != column and (factor := table[row][column]):
            table[row] = [a - factor * b for a, b in zip(table[row], table[column], strict=True)]
