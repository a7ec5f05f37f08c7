"""When proxies of clients leave an endpoint alone: annotations of Services and EgressNetworks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from linkerd.mesh import labels
from linkerd.policy.annotations import (
    annotated_duration,
    annotated_flag,
    annotated_integer,
    annotated_number,
    annotation,
)
from linkerd.policy.errors import PolicyError, shown

_MAX_COUNT: Final = 2**32 - 1
_MAX_JITTER: Final = 100.0
_SHORTEST_WINDOW: Final = timedelta(milliseconds=10)
_MOST_REQUESTS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long it is left alone: `minimum` first, twice as long each time, up to `maximum`; and a
    random part, up to `jitter` times as long, on top."""

    minimum: timedelta
    maximum: timedelta
    jitter: float


@dataclass(frozen=True, slots=True)
class ConsecutiveFailures:
    """After so many failures in a row."""

    max_failures: int
    backoff: Backoff


@dataclass(frozen=True, slots=True)
class UnifiedAccrual:
    """After so many failures in a row, or when the share of successes falls below the threshold, in
    a window with enough requests; 0 turns either off. `honors_retry_after`: for as long as the
    endpoint itself asks for."""

    success_threshold: float
    window: timedelta
    min_requests: int
    max_failures: int
    backoff: Backoff
    honors_retry_after: bool


FailureAccrual = ConsecutiveFailures | UnifiedAccrual


def judge_failure_accrual(annotations: Mapping[str, str]) -> FailureAccrual | None:
    """What the annotations say; None where they do not. Raises PolicyError."""
    mode = annotations.get(labels.FAILURE_ACCRUAL)
    if mode is None:
        return None
    if mode == "consecutive":
        return ConsecutiveFailures(_max_failures(annotations), _backoff(annotations))
    if mode == "unified":
        return _unified(annotations)
    problem = f"must be consecutive or unified, not {shown(mode)}"
    raise PolicyError(annotation(labels.FAILURE_ACCRUAL), problem)


def _max_failures(annotations: Mapping[str, str]) -> int:
    return annotated_integer(annotations, labels.ACCRUAL_MAX_FAILURES, 7, _MAX_COUNT)


def _backoff(annotations: Mapping[str, str]) -> Backoff:
    minimum = annotated_duration(annotations, labels.ACCRUAL_MIN_PENALTY, timedelta(seconds=1))
    maximum = annotated_duration(annotations, labels.ACCRUAL_MAX_PENALTY, timedelta(seconds=60))
    field = annotation(labels.ACCRUAL_MAX_PENALTY)
    if not maximum:
        raise PolicyError(field, "must not be 0")
    if minimum > maximum:
        raise PolicyError(field, f"must not be less than {labels.ACCRUAL_MIN_PENALTY}")
    jitter = annotated_number(annotations, labels.ACCRUAL_JITTER_RATIO, 0.5, _MAX_JITTER)
    return Backoff(minimum, maximum, jitter)


def _unified(annotations: Mapping[str, str]) -> UnifiedAccrual:
    threshold = annotated_number(annotations, labels.ACCRUAL_SUCCESS_THRESHOLD, 0.8, 1.0)
    return UnifiedAccrual(
        success_threshold=threshold,
        window=_window(annotations, may_be_short=not threshold),
        min_requests=annotated_integer(
            annotations,
            labels.ACCRUAL_MIN_REQUESTS,
            5,
            _MOST_REQUESTS if threshold else _MAX_COUNT,
        ),
        max_failures=_max_failures(annotations),
        backoff=_backoff(annotations),
        honors_retry_after=annotated_flag(annotations, labels.ACCRUAL_HONOR_RETRY_AFTER),
    )


def _window(annotations: Mapping[str, str], *, may_be_short: bool) -> timedelta:
    window = annotated_duration(annotations, labels.ACCRUAL_SUCCESS_WINDOW, timedelta(seconds=10))
    field = annotation(labels.ACCRUAL_SUCCESS_WINDOW)
    if not window:
        raise PolicyError(field, "must not be 0")
    if window < _SHORTEST_WINDOW and not may_be_short:
        raise PolicyError(field, "must be at least 10ms")
    return window
