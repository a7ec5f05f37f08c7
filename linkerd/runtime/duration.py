"""Durations as Go writes them (`24h0m0s`, `250ms`), the spelling of every flag and annotation.

Resolution is that of timedelta, a microsecond: finer parts are rounded to the nearest. Longer than
Go's 292 years is an error, as there.
"""

import re
from datetime import timedelta
from fractions import Fraction
from typing import Final

from linkerd.runtime.errors import DurationError

_NANOSECONDS: Final = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,  # micro sign
    "\u03bcs": 1_000,  # Greek mu
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_TERM: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)")
_LIMIT: Final = 2**63 - 1
_MAX_TEXT: Final = 128  # no sane duration is longer; bounds the arithmetic on foreign text


def parse_go_duration(text: str) -> timedelta:
    """The duration that `text` says. Raises DurationError, which says what is accepted."""
    sign = -1 if text.startswith("-") else 1
    terms = text[1:] if text[:1] in {"-", "+"} else text
    nanoseconds = Fraction(0) if terms == "0" else _sum(text, terms)
    if nanoseconds > _LIMIT:
        raise DurationError(f"duration {text!r} is longer than 292 years")
    return timedelta(microseconds=sign * round(nanoseconds / 1000))


def _sum(text: str, terms: str) -> Fraction:
    total, position = Fraction(0), 0
    while match := _TERM.match(terms, position) if len(terms) <= _MAX_TEXT else None:
        total += Fraction(match[1].rstrip(".")) * _NANOSECONDS[match[2]]
        position = match.end()
    if not terms or position != len(terms):
        raise DurationError(
            f"{text[:_MAX_TEXT]!r} is not a duration: write it like 24h0m0s, 1m30s or 250ms"
        )
    return total


def format_go_duration(duration: timedelta) -> str:
    """`duration` as Go prints it: `24h0m0s`, `1.5s`, `250ms`, `10\u00b5s`, `0s`."""
    microseconds = duration // timedelta(microseconds=1)
    sign, microseconds = ("-", -microseconds) if microseconds < 0 else ("", microseconds)
    if microseconds == 0:
        return "0s"
    if microseconds < 1_000_000:
        return sign + _small(microseconds)
    seconds, fraction = divmod(microseconds, 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{_decimal(seconds, fraction)}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{sign}{hours}h{text}" if hours else sign + text


def _small(microseconds: int) -> str:
    whole, fraction = divmod(microseconds, 1_000)
    if whole == 0:
        return f"{microseconds}\u00b5s"
    return f"{_decimal(whole, fraction * 1_000)}ms"


def _decimal(whole: int, millionths: int) -> str:
    return f"{whole}.{millionths:06}".rstrip("0").rstrip(".") if millionths else str(whole)
