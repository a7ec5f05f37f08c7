"""Durations in policy: annotations have one number and one unit, `timeouts` of policy.linkerd.io's
HTTPRoute are written as Go writes them, those of the Gateway API's as that API says (GEP-2257)."""

import re
from datetime import timedelta
from typing import Final

from linkerd.policy.errors import PolicyError, shown
from linkerd.runtime.duration import parse_go_duration
from linkerd.runtime.errors import DurationError

ZERO: Final = timedelta(0)

_UNITS: Final = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_MAX: Final = timedelta(seconds=315_576_000_000)  # ten thousand years, the most that messages hold
_MAX_DIGITS: Final = 18
_ANNOTATION: Final = re.compile(r"([0-9]+)(ms|s|m|h|d)", re.ASCII)
_GATEWAY: Final = re.compile(r"(?:[0-9]{1,5}(?:h|m|s|ms)){1,4}", re.ASCII)
_GATEWAY_TERM: Final = re.compile(r"([0-9]+)(ms|s|m|h)", re.ASCII)


def annotation_duration(text: str, field: str) -> timedelta:
    """A whole number and a unit (`250ms`, `5s`, `3m`, `1h`, `2d`), or 0; space around it does not
    matter. Raises PolicyError."""
    bare = text.strip()
    if bare and not bare.strip("0"):
        return ZERO
    match = _ANNOTATION.fullmatch(bare)
    if match is None:
        problem = f"{shown(text)} is no whole number with one of the units ms, s, m, h and d"
        raise PolicyError(field, problem)
    number, unit = match[1].lstrip("0") or "0", _UNITS[match[2]]
    if len(number) > _MAX_DIGITS or int(number) > _MAX // unit:
        raise PolicyError(field, f"{shown(text)} is longer than ten thousand years")
    return int(number) * unit


def go_duration(text: str, field: str) -> timedelta:
    """As Go writes it: `1h30m`, `250ms`, `1.5s`. Raises PolicyError, for a negative one too."""
    try:
        duration = parse_go_duration(text)
    except DurationError as error:
        raise PolicyError(field, str(error)) from None
    if duration < ZERO:
        raise PolicyError(field, f"must not be negative, unlike {shown(text)}")
    return duration


def gateway_duration(text: str, field: str) -> timedelta:
    """Up to four whole numbers of up to five digits, each with its unit: `1h30m`, `250ms`. Raises
    PolicyError."""
    if _GATEWAY.fullmatch(text) is None:
        problem = f"{shown(text)} is no duration such as 250ms, 10s or 1h30m"
        raise PolicyError(field, problem)
    terms = _GATEWAY_TERM.findall(text)
    return sum((int(number) * _UNITS[unit] for number, unit in terms), ZERO)
