"""Annotations with a value: what they are called in messages, and the values of several kinds."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Final, TypeVar

from linkerd.policy.durations import annotation_duration
from linkerd.policy.errors import PolicyError, shown

D = TypeVar("D", timedelta, timedelta | None)
N = TypeVar("N", int, int | None)

_INTEGER: Final = re.compile(r"\+?([0-9]{1,20})", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_FLAGS: Final = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}


def annotation(name: str) -> str:
    """The field of an annotation."""
    return f"metadata.annotations[{name}]"


def annotated_duration(annotations: Mapping[str, str], name: str, default: D) -> timedelta | D:
    """A duration. Raises PolicyError."""
    text = annotations.get(name)
    return default if text is None else annotation_duration(text, annotation(name))


def annotated_integer(
    annotations: Mapping[str, str], name: str, default: N, maximum: int
) -> int | N:
    """A whole number from 0. Raises PolicyError."""
    text = annotations.get(name)
    if text is None:
        return default
    match = _INTEGER.fullmatch(text)
    if match is None or int(match[1]) > maximum:
        problem = f"must be a whole number from 0 to {maximum}, not {shown(text)}"
        raise PolicyError(annotation(name), problem)
    return int(match[1])


def annotated_number(
    annotations: Mapping[str, str], name: str, default: float, maximum: float
) -> float:
    """A number from 0. Raises PolicyError."""
    text = annotations.get(name)
    if text is None:
        return default
    if _NUMBER.fullmatch(text) is None or not 0 <= float(text) <= maximum:
        problem = f"must be a number from 0 to {maximum:g}, not {shown(text)}"
        raise PolicyError(annotation(name), problem)
    return float(text)


def annotated_flag(annotations: Mapping[str, str], name: str) -> bool:
    """Yes or no, as Go reads it; space around it does not matter. False where it is absent. Raises
    PolicyError."""
    text = annotations.get(name)
    if text is None:
        return False
    flag = _FLAGS.get(text.strip())
    if flag is None:
        raise PolicyError(annotation(name), f"must be true or false, not {shown(text)}")
    return flag
