"""What reflectors tell Prometheus: one set of metrics a registry, shared by all its reflectors.

A reflector that lost the API server shows as `kube_reflector_age_seconds` growing; with a healthy
watch it stays below about 70 s, which is how often the server sends a bookmark when nothing else.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from linkerd.kube.errors import KubeError

_LABELS: Final = ("resource", "namespace", "cluster")
_TYPES: Final = frozenset({"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"})
Labels = tuple[str, ...]
Reading = Callable[[], float]
LOCAL_CLUSTER: Final = "local"
"""What metrics and pages call the cluster that we are in, where a linked one has its name."""


class LiveGauge(Collector):
    """A gauge that asks whoever is there when it is scraped, and has no series of those who are
    not. Of several under the same labels the one counts that came first: where one takes the place
    of another, that is the one in use."""

    def __init__(self, name: str, documentation: str, registry: CollectorRegistry) -> None:
        self._name = name
        self._documentation = documentation
        self._readings: defaultdict[Labels, list[Reading]] = defaultdict(list)
        registry.register(self)

    def attach(self, labels: Labels, reading: Reading) -> None:
        """Somebody is there."""
        self._readings[labels].append(reading)

    def detach(self, labels: Labels, reading: Reading) -> None:
        """Somebody has gone."""
        self._readings[labels].remove(reading)
        if not self._readings[labels]:
            del self._readings[labels]

    def describe(self) -> Iterable[Metric]:
        """The family without series."""
        return [GaugeMetricFamily(self._name, self._documentation, labels=_LABELS)]

    def collect(self) -> Iterable[Metric]:
        """The family."""
        family = GaugeMetricFamily(self._name, self._documentation, labels=_LABELS)
        for labels, readings in self._readings.items():
            family.add_metric(labels, readings[0]())
        return [family]


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
        self.age = LiveGauge(
            "kube_reflector_age_seconds", "Time since the API server was last heard of.", registry
        )
        self.objects = LiveGauge("kube_reflector_objects", "Objects in the store.", registry)

    def of(self, resource: str, namespace: str, cluster: str = LOCAL_CLUSTER) -> "Meter":
        """The metrics of one reflector."""
        return Meter(self, (resource, namespace, cluster))

    def forget(self, cluster: str) -> None:
        """The cluster is not read any more: its series end."""
        for family in (self.lists, self.watches, self.events, self.errors, self.malformed):
            family.remove_by_labels({"cluster": cluster})


class Meter:
    """The counters of one reflector, and its gauges while it runs. What a server says becomes no
    label: it might say something else each time."""

    def __init__(self, metrics: ReflectorMetrics, labels: Labels) -> None:
        self.lists = metrics.lists.labels(*labels)
        self.watches = metrics.watches.labels(*labels)
        self.malformed = metrics.malformed.labels(*labels)
        self._metrics = metrics
        self._labels = labels

    def attach(self, age: Reading, size: Reading) -> Callable[[], None]:
        """The gauges ask these from now on, until the function is called that this returns."""
        gauges = ((self._metrics.age, age), (self._metrics.objects, size))
        for gauge, reading in gauges:
            gauge.attach(self._labels, reading)

        def detach() -> None:
            for gauge, reading in gauges:
                gauge.detach(self._labels, reading)

        return detach

    def saw(self, type_: str) -> None:
        """A line of a watch."""
        known = type_ if type_ in _TYPES else "unknown"
        self._metrics.events.labels(*self._labels, known).inc()

    def failed(self, error: KubeError) -> None:
        """A list or watch failed."""
        self._metrics.errors.labels(*self._labels, error.label).inc()
