"""The metrics of statuses that are written, by upstream's names."""

from collections.abc import Hashable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from linkerd.kube.controller.queue_metrics import QueueFamilies, QueueMetrics
from linkerd.runtime.clock import Clock
from services.policy.status.names import QUEUE

_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class PatchMetrics:
    """How writes of statuses went. A queue that holds each object once cannot overflow, so that
    counter stays at 0."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, documentation: str) -> Counter:
            return Counter(f"resource_status_{name}", documentation, registry=registry)

        self.patches = counter("patches", "Statuses that were written.")
        self.api_errors = counter("patch_api_errors", "Writes of a status that failed.")
        self.timeouts = counter("patch_timeouts", "Writes of a status that took too long.")
        self.enqueues = counter("patch_enqueues", "Objects that were to be looked at.")
        self.dequeues = counter("patch_dequeues", "Objects that were looked at.")
        self.drops = counter("patch_drops", "Objects that were not, or were gone.")
        self.overflows = counter("patch_enqueue_overflows", "Objects that found no room.")
        self.seconds = Histogram(
            "resource_status_patch_duration_seconds",
            "Time that a write of a status took.",
            registry=registry,
            buckets=_BUCKETS,
        )


class StatusQueueMetrics(QueueMetrics):
    """Of the queue of objects whose status is to be looked at."""

    def __init__(self, patches: PatchMetrics, registry: CollectorRegistry, clock: Clock) -> None:
        super().__init__(QUEUE, QueueFamilies(registry), clock)
        self._patches = patches
        self._waiting = 0

    def added(self, key: Hashable, now: float) -> None:
        super().added(key, now)
        self._waiting += 1
        self._patches.enqueues.inc()

    def began(self, key: Hashable, now: float, waiting: int) -> None:
        super().began(key, now, waiting)
        self._waiting -= 1
        self._patches.dequeues.inc()

    def cleared(self) -> None:
        super().cleared()
        self._patches.drops.inc(self._waiting)
        self._waiting = 0
