"""The metrics of a work queue, by the names that Kubernetes' controllers use."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from linkerd.kube.objects import Key
from linkerd.runtime.clock import Clock

_BUCKETS: Final = tuple(10.0**exponent for exponent in range(-8, 2))
_LABELS: Final = ("name",)


class QueueMetrics:
    """Told of what happens in one queue. All times are monotonic seconds."""

    def __init__(self, name: str, clock: Clock, registry: CollectorRegistry) -> None:
        self._added: dict[Key, float] = {}
        self._began: dict[Key, float] = {}
        self._clock = clock

        def gauge(what: str, documentation: str) -> Gauge:
            return Gauge(f"workqueue_{what}", documentation, _LABELS, registry=registry)

        def counter(what: str, documentation: str) -> Counter:
            family = Counter(f"workqueue_{what}", documentation, _LABELS, registry=registry)
            return family.labels(name)

        def histogram(what: str, documentation: str) -> Histogram:
            family = Histogram(
                f"workqueue_{what}", documentation, _LABELS, registry=registry, buckets=_BUCKETS
            )
            return family.labels(name)

        def asked(what: str, documentation: str, ask: Callable[[], float]) -> None:
            gauge(what, documentation).labels(name).set_function(ask)

        self._depth = gauge("depth", "Keys that wait for a worker.").labels(name)
        self._adds = counter("adds", "Keys that were added.")
        self._retries = counter("retries", "Keys that were to be tried again.")
        self._drops = counter("drops", "Keys that were given up after too many failures.")
        self._queued = histogram("queue_duration_seconds", "Time from being added to the worker.")
        self._worked = histogram("work_duration_seconds", "Time that work on a key took.")
        asked("unfinished_work_seconds", "Time spent so far on keys in work.", self._unfinished)
        asked("longest_running_processor_seconds", "The longest of these.", self._longest)

    def added(self, key: Key, now: float) -> None:
        """It waits, or waits to wait."""
        self._adds.inc()
        self._added[key] = now

    def retried(self) -> None:
        """A key is to come again."""
        self._retries.inc()

    def dropped(self) -> None:
        """A key is given up."""
        self._drops.inc()

    def depth(self, waiting: int) -> None:
        """So many wait now."""
        self._depth.set(waiting)

    def began(self, key: Key, now: float, waiting: int) -> None:
        """Work on the key begins."""
        self._queued.observe(now - self._added.pop(key, now))
        self._began[key] = now
        self._depth.set(waiting)

    def finished(self, key: Key, now: float) -> None:
        """Work on the key is over."""
        self._worked.observe(now - self._began.pop(key, now))

    def cleared(self) -> None:
        """Nothing waits any more."""
        self._added.clear()
        self._depth.set(0)

    def _unfinished(self) -> float:
        now = self._clock.monotonic()
        return sum(now - began for began in self._began.values())

    def _longest(self) -> float:
        now = self._clock.monotonic()
        return max((now - began for began in self._began.values()), default=0.0)
