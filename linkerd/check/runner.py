"""Runs categories in their order."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from linkerd.check.model import (
    Category,
    Check,
    CheckError,
    CheckSkip,
    CheckWarning,
    Outcome,
    Report,
    Result,
)
from linkerd.kube.errors import KubeError
from linkerd.runtime.clock import Clock

INTERVAL: Final = 5.0
"""Seconds between two tries of a check."""


class Runner:
    """Runs checks until `wait` seconds have passed since the first began.

    `on_outcome` is told of each check that ended, `on_retry` of each failure that is tried again.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        wait: float,
        on_outcome: Callable[[Outcome], None] = lambda _: None,
        on_retry: Callable[[Check, str], None] = lambda _check, _error: None,
    ) -> None:
        self._clock = clock
        self._wait = wait
        self._on_outcome = on_outcome
        self._on_retry = on_retry

    async def run(self, categories: Sequence[Category]) -> Report:
        """What came of all of them, up to the first fatal failure."""
        deadline = self._clock.monotonic() + self._wait
        outcomes: list[Outcome] = []
        todo = _flat(categories)
        for category, check in todo:
            try:
                error = await self._judge(check, deadline)
            except CheckSkip:
                continue
            said = None if error is None else str(error)
            outcome = Outcome(category, check, said, isinstance(error, CheckWarning))
            outcomes.append(outcome)
            self._on_outcome(outcome)
            if outcome.result is Result.ERROR and check.fatal:
                break
        return Report(tuple(outcomes), tuple(todo))

    async def _judge(self, check: Check, deadline: float) -> Exception | None:
        """What is wrong; None when nothing is."""
        while (error := await _try(check)) is not None:
            if not check.retryable or self._clock.monotonic() + INTERVAL > deadline:
                return error
            self._on_retry(check, str(error))
            await self._clock.sleep(INTERVAL)
        return None


def _flat(categories: Sequence[Category]) -> Iterator[tuple[str, Check]]:
    return ((category.name, check) for category in categories for check in category.checks)


async def _try(check: Check) -> Exception | None:
    try:
        await check.run()
    except (CheckError, KubeError) as error:
        return error
    return None
