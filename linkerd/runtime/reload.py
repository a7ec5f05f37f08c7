"""Values that are made of files and made anew when the files change: the one way of reloading.

The files are judged together, as one set. What can be used replaces the value at once; what cannot
leaves it as it was, and is said once. A set that was refused is tried again now and then, because
time may be what it lacks: a certificate that is not valid yet. Readiness never changes here: an old
certificate is better than none.
"""

from datetime import timedelta
from typing import Final, Generic, Protocol, TypeVar

from prometheus_client import CollectorRegistry, Gauge

from linkerd.runtime.clock import Clock
from linkerd.runtime.errors import StartError
from linkerd.runtime.files import Contents, FileSet
from linkerd.runtime.metrics import PlainCounter

T = TypeVar("T")

RETRY: Final = 30.0
"""Seconds between two tries of a set that was refused, of a clock that nobody corrects."""


class ReloadMetrics:
    """`PREFIX_updates_total` by result, and `PREFIX_files_skipped`; `what` begins their help."""

    def __init__(self, registry: CollectorRegistry, prefix: str, what: str) -> None:
        self.updates = PlainCounter(
            f"{prefix}_updates_total",
            f"Changes of {what}, by result: updated or skipped.",
            ["result"],
            registry,
        )
        for result in ("updated", "skipped"):
            self.updates.labels(result)
        self.skipped = Gauge(
            f"{prefix}_files_skipped",
            "1 while the files hold something that cannot be used, and what was loaded before is.",
            registry=registry,
        )


class Reloaded(Protocol[T]):
    """Whoever uses the value."""

    def make(self, contents: Contents) -> T:
        """The value of these contents. Raises StartError when they cannot be used."""

    def take(self, value: T) -> None:
        """Uses a new value from now on, and says so."""

    def refuse(self, why: str) -> None:
        """Says that the files cannot be used and the old value stays."""


class Reloader(Generic[T]):
    """Looks at the files every `interval`. Load them first; then start `run` as a task."""

    def __init__(
        self,
        files: FileSet,
        user: Reloaded[T],
        metrics: ReloadMetrics,
        *,
        interval: timedelta,
        clock: Clock,
    ) -> None:
        self._files = files
        self._user = user
        self._metrics = metrics
        self._interval = interval.total_seconds()
        self._clock = clock
        self._refused: Contents | None = None
        self._retry_at = clock.monotonic()
        self._problem: str | None = None
        """Why the files cannot be read, at the last look."""
        self._said: str | None = None

    async def run(self) -> None:
        """Takes every change of the files, for as long as the process lives."""
        while True:
            await self._clock.sleep(self._interval)
            contents = await self._files.look()
            self._watch_problem()
            if contents is not None:
                self._try(contents)
            elif self._refused is not None and self._clock.monotonic() >= self._retry_at:
                self._try(self._refused)

    def _try(self, contents: Contents) -> None:
        try:
            value = self._user.make(contents)
        except StartError as error:
            again = contents is self._refused
            self._refused, self._retry_at = contents, self._clock.monotonic() + RETRY
            if not again:
                self._skip(str(error))
            return
        self._refused = None
        self._metrics.updates.labels("updated").inc()
        self._metrics.skipped.set(0)
        self._user.take(value)

    def _skip(self, why: str) -> None:
        self._metrics.updates.labels("skipped").inc()
        self._metrics.skipped.set(1)
        self._user.refuse(why)

    def _watch_problem(self) -> None:
        """A problem counts when two looks agree on it: a swap may lie under the first."""
        problem = self._files.problem
        if problem is None:
            if self._said is not None and self._refused is None:
                self._metrics.skipped.set(0)
            self._said = None
        elif problem == self._problem and problem != self._said:
            self._said = problem
            self._skip(problem)
        self._problem = problem
