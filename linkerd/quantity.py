"""Kubernetes quantities: `500m`, `1`, `2k`, `1.5Gi`, `1e3`."""

import re
from fractions import Fraction
from math import ceil
from typing import Final

_QUANTITY: Final = re.compile(
    r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:(n|u|m|k|[MGTPE]i?|Ki)|[eE]([+-]?[0-9]{1,2}))?",
    re.ASCII,
)
_MAX_TEXT: Final = 64
_DECIMAL: Final = {"n": -3, "u": -2, "m": -1, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
_BINARY: Final = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


def parse_milli(quantity: str | float) -> int:
    """Thousandths, rounded up. Raises ValueError."""
    text = str(quantity)
    match = _QUANTITY.fullmatch(text) if len(text) <= _MAX_TEXT else None
    if match is None:
        raise ValueError(f"{text[:_MAX_TEXT]!r} is not a quantity such as 1, 500m or 2k")
    number, suffix, exponent = match.groups()
    return ceil(Fraction(number.rstrip(".")) * _scale(suffix, exponent) * 1000)


def _scale(suffix: str | None, exponent: str | None) -> Fraction:
    if exponent is not None:
        return Fraction(10) ** int(exponent)
    if suffix in _BINARY:
        return Fraction(1024) ** _BINARY[suffix]
    return Fraction(1000) ** _DECIMAL[suffix] if suffix else Fraction(1)
