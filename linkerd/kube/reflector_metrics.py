"""What reflectors tell Prometheus: one set of metrics a registry, shared by all its reflectors.

A reflector that lost the API server shows as `kube_reflector_age_seconds` growing; with a healthy
watch it stays below about 70 s, which is how often the server sends a bookmark when nothing else.
"""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

_LABELS: Final = ("resource", "namespace", "cluster")
HOME: Final = "local"
"""What the cluster that we are in is called, where a linked one has its name."""


class ReflectorMetrics:
    """Counters and gauges by resource, namespace (empty: all namespaces) and cluster."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lists = Counter(
            "kube_reflector_lists",
            "Full lists that were begun.",
            _LABELS,
            registry=registry,
        )
        self.watches = Counter(
            "kube_reflector_watches",
            "Watches that were opened.",
            _LABELS,
            registry=registry,
        )
        self.events = Counter(
            "kube_reflector_watch_events",
            "Lines that watches brought, by type.",
            (*_LABELS, "type"),
            registry=registry,
        )
        self.errors = Counter(
            "kube_reflector_errors",
            "Lists and watches that failed, by reason.",
            (*_LABELS, "reason"),
            registry=registry,
        )
        self.malformed = Counter(
            "kube_reflector_malformed_objects",
            "Object versions that could not be decoded and were skipped.",
            _LABELS,
            registry=registry,
        )
        self.age = Gauge(
            "kube_reflector_age_seconds",
            "Time since the API server was last heard of.",
            _LABELS,
            registry=registry,
        )
        self.objects = Gauge(
            "kube_reflector_objects",
            "Objects in the store.",
            _LABELS,
            registry=registry,
        )

    def of(
        self,
        resource: str,
        namespace: str,
        age: Callable[[], float],
        size: Callable[[], int],
        cluster: str = HOME,
    ) -> "Meter":
        """The metrics of one reflector; the gauges ask it when they are scraped."""
        labels = (resource, namespace, cluster)
        self.age.labels(*labels).set_function(age)
        self.objects.labels(*labels).set_function(size)
        return Meter(self, labels)

    def forget(self, cluster: str) -> None:
        """The cluster is not read any more: its series end."""
        for family in (
            self.lists,
            self.watches,
            self.events,
            self.errors,
            self.malformed,
            self.age,
            self.objects,
        ):
            family.remove_by_labels({"cluster": cluster})


class Meter:
    """The counters of one reflector."""

    def __init__(self, metrics: ReflectorMetrics, labels: tuple[str, str, str]) -> None:
        self.lists = metrics.lists.labels(*labels)
        self.watches = metrics.watches.labels(*labels)
        self.malformed = metrics.malformed.labels(*labels)
        self._events = metrics.events
        self._errors = metrics.errors
        self._labels = labels

    def saw(self, type_: str) -> None:
        """A line of a watch."""
        self._events.labels(*self._labels, type_).inc()

    def failed(self, reason: str) -> None:
        """A list or watch failed."""
        self._errors.labels(*self._labels, reason).inc()
