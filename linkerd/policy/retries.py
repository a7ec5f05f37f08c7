"""When proxies of clients try again: annotations of Services, EgressNetworks and routes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Final

from linkerd.mesh.labels import RETRY_GRPC, RETRY_HTTP, RETRY_LIMIT, RETRY_TIMEOUT
from linkerd.policy.annotations import annotated_duration, annotated_integer, annotation
from linkerd.policy.errors import PolicyError, shown

_MAX_LIMIT: Final = 2**16 - 1
_STATUSES: Final = range(100, 600)
_NAMED: Final = {"5xx": (500, 599), "gateway-error": (502, 504)}
_RANGE: Final = re.compile(r"([0-9]{1,4})(?:-([0-9]{1,4}))?", re.ASCII)


class GrpcCondition(Enum):
    """A status of gRPC after which to try again; the value is its number."""

    CANCELLED = 1
    DEADLINE_EXCEEDED = 4
    RESOURCE_EXHAUSTED = 8
    INTERNAL = 13
    UNAVAILABLE = 14


_CONDITIONS: Final = {each.name.lower().replace("_", "-"): each for each in GrpcCondition}


@dataclass(frozen=True, slots=True)
class HttpRetry:
    """Statuses after which to try again (ranges, both ends included), how often, and how long one
    try may take."""

    statuses: tuple[tuple[int, int], ...] = ()
    limit: int = 1
    timeout: timedelta | None = None


@dataclass(frozen=True, slots=True)
class GrpcRetry:
    """The same for gRPC, by its own statuses, in their order."""

    conditions: tuple[GrpcCondition, ...] = ()
    limit: int = 1
    timeout: timedelta | None = None


def judge_http_retry(annotations: Mapping[str, str]) -> HttpRetry | None:
    """When to try HTTP requests again; None where nothing is said. Raises PolicyError."""
    text = annotations.get(RETRY_HTTP)
    limit, timeout = _limit(annotations), _timeout(annotations)
    if text is None and limit is None and timeout is None:
        return None
    return HttpRetry(() if text is None else _statuses(text), limit or 1, timeout)


def judge_grpc_retry(annotations: Mapping[str, str]) -> GrpcRetry | None:
    """When to try gRPC calls again; None where nothing is said. Raises PolicyError."""
    text = annotations.get(RETRY_GRPC)
    limit, timeout = _limit(annotations), _timeout(annotations)
    if text is None and limit is None and timeout is None:
        return None
    return GrpcRetry(() if text is None else _conditions(text), limit or 1, timeout)


def _statuses(text: str) -> tuple[tuple[int, int], ...]:
    return tuple(_status(token) for token in text.split(","))


def _status(token: str) -> tuple[int, int]:
    lower = token.lower()
    if lower in _NAMED:
        return _NAMED[lower]
    field = annotation(RETRY_HTTP)
    match = _RANGE.fullmatch(token)
    if match is None:
        problem = f"{shown(token)} is none of 5xx, gateway-error, a status and a range of them"
        raise PolicyError(field, problem)
    low, high = int(match[1]), int(match[2] or match[1])
    if low not in _STATUSES or high not in _STATUSES:
        raise PolicyError(field, f"{shown(token)} has a status that is not from 100 to 599")
    if low > high:
        raise PolicyError(field, f"{shown(token)} ends before it begins")
    return low, high


def _conditions(text: str) -> tuple[GrpcCondition, ...]:
    found = {_condition(token) for token in text.split(",")}
    return tuple(each for each in GrpcCondition if each in found)


def _condition(token: str) -> GrpcCondition:
    condition = _CONDITIONS.get(token.lower())
    if condition is None:
        problem = f"{shown(token)} is none of {', '.join(_CONDITIONS)}"
        raise PolicyError(annotation(RETRY_GRPC), problem)
    return condition


def _limit(annotations: Mapping[str, str]) -> int | None:
    return annotated_integer(annotations, RETRY_LIMIT, None, _MAX_LIMIT)


def _timeout(annotations: Mapping[str, str]) -> timedelta | None:
    return annotated_duration(annotations, RETRY_TIMEOUT, None)
