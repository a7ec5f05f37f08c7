"""The metrics of work queues, by the names that Kubernetes' controllers use."""

from collections.abc import Hashable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from linkerd.runtime.clock import Clock

_BUCKETS: Final = tuple(10.0**exponent for exponent in range(-8, 2))
_LABELS: Final = ("name",)


class QueueFamilies:
    """The families that all queues of a registry share; each has series of its own name."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(what: str, documentation: str) -> Gauge:
            return Gauge(f"workqueue_{what}", documentation, _LABELS, registry=registry)

        def counter(what: str, documentation: str) -> Counter:
            return Counter(f"workqueue_{what}", documentation, _LABELS, registry=registry)

        def histogram(what: str, documentation: str) -> Histogram:
            name = f"workqueue_{what}"
            return Histogram(name, documentation, _LABELS, registry=registry, buckets=_BUCKETS)

        self.depth = gauge("depth", "Keys that wait for a worker.")
        self.adds = counter("adds", "Keys that were added.")
        self.retries = counter("retries", "Keys that were to be tried again.")
        self.drops = counter("drops", "Keys that were given up after too many failures.")
        self.queued = histogram("queue_duration_seconds", "Time from being added to the worker.")
        self.worked = histogram("work_duration_seconds", "Time that work on a key took.")
        self.unfinished = gauge("unfinished_work_seconds", "Time spent so far on keys in work.")
        self.longest = gauge("longest_running_processor_seconds", "The longest of these.")


class QueueMetrics:
    """Told of what happens in one queue. All times are monotonic seconds."""

    def __init__(self, name: str, families: QueueFamilies, clock: Clock) -> None:
        self._added: dict[Hashable, float] = {}
        self._began: dict[Hashable, float] = {}
        self._clock = clock
        self._depth = families.depth.labels(name)
        self._adds = families.adds.labels(name)
        self._retries = families.retries.labels(name)
        self._drops = families.drops.labels(name)
        self._queued = families.queued.labels(name)
        self._worked = families.worked.labels(name)
        families.unfinished.labels(name).set_function(self._unfinished)
        families.longest.labels(name).set_function(self._longest)

    def added(self, key: Hashable, now: float) -> None:
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

    def began(self, key: Hashable, now: float, waiting: int) -> None:
        """Work on the key begins."""
        self._queued.observe(now - self._added.pop(key, now))
        self._began[key] = now
        self._depth.set(waiting)

    def finished(self, key: Hashable, now: float) -> None:
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
