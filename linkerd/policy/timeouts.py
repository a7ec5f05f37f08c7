"""How long proxies of clients wait: annotations of Services, EgressNetworks and routes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from linkerd.mesh.labels import TIMEOUT_IDLE, TIMEOUT_REQUEST, TIMEOUT_RESPONSE
from linkerd.policy.annotations import annotated_duration


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long for a request with all its tries, for the answer to one, and without a byte; None
    where nothing is said. Whoever says any of them inherits none."""

    request: timedelta | None = None
    response: timedelta | None = None
    idle: timedelta | None = None

    def __bool__(self) -> bool:
        """Whether anything is said."""
        return not (self.request is self.response is self.idle is None)


NO_TIMEOUTS: Final = Timeouts()


def judge_timeouts(annotations: Mapping[str, str]) -> Timeouts:
    """What the annotations say. Raises PolicyError."""
    return Timeouts(
        request=annotated_duration(annotations, TIMEOUT_REQUEST, None),
        response=annotated_duration(annotations, TIMEOUT_RESPONSE, None),
        idle=annotated_duration(annotations, TIMEOUT_IDLE, None),
    )
