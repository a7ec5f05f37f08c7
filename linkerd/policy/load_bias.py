"""How proxies of clients weigh endpoints that fail: annotations of Services."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from linkerd.mesh import labels
from linkerd.policy.annotations import annotated_duration, annotated_flag, annotation
from linkerd.policy.errors import PolicyError

_MAX_PENALTY: Final = timedelta(milliseconds=2**32 - 1)


@dataclass(frozen=True, slots=True)
class LoadBias:
    """A failure counts as a latency of `penalty`; an endpoint that asks to be spared is, for
    `max_retry_after` at most."""

    penalty: timedelta
    max_retry_after: timedelta


def judge_load_bias(annotations: Mapping[str, str]) -> LoadBias | None:
    """What the annotations say; None where failures are not weighed. Raises PolicyError."""
    if not annotated_flag(annotations, labels.PENALIZE_FAILURES):
        return None
    penalty = annotated_duration(annotations, labels.LOAD_BIASER_PENALTY, timedelta(seconds=5))
    if penalty > _MAX_PENALTY:
        problem = "must be less than 2^32 milliseconds"
        raise PolicyError(annotation(labels.LOAD_BIASER_PENALTY), problem)
    longest = annotated_duration(
        annotations, labels.LOAD_BIASER_MAX_RETRY_AFTER, timedelta(seconds=300)
    )
    return LoadBias(penalty, longest)
