"""What upstream's Rust controllers tell Prometheus of their watches, under their names.

Everything is read from the reflectors' own counts when it is scraped.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from linkerd.kube.reflector_metrics import ReflectorMetrics
from linkerd.kube.resource import Resource

_EVENTS: Final = ("op", "kind", "group", "version")
_ERRORS: Final = ("kind", "group", "version", "error")
_OPS: Final = {"ADDED": "Apply", "MODIFIED": "Apply", "DELETED": "Delete"}
_RESTART: Final = "Restart"  # a list, which takes the place of what was known


class WatchCounts(Collector):
    """Events and errors of each kind that is read, under the version that is preferred."""

    def __init__(self, metrics: ReflectorMetrics, kinds: Iterable[Resource[Any]]) -> None:
        self._metrics = metrics
        self._names: Mapping[str, tuple[str, str, str]] = {
            each.label: (each.kind, each.group, each.version) for each in kinds
        }

    def describe(self) -> Iterable[Metric]:
        """Nothing: the names are known to be free."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Both families."""
        events = CounterMetricFamily(
            "kube_watch_events", "What watches brought: changes, deletions, lists.", labels=_EVENTS
        )
        counts: defaultdict[tuple[str, ...], float] = defaultdict(float)
        for labels, value in _samples(self._metrics.events):
            if (op := _OPS.get(labels["type"])) and (name := self._names.get(labels["resource"])):
                counts[op, *name] += value
        for labels, value in _samples(self._metrics.lists):
            if name := self._names.get(labels["resource"]):
                counts[_RESTART, *name] += value
        for key, value in counts.items():
            events.add_metric(key, value)
        yield events
        errors = CounterMetricFamily(
            "kube_watch_errors", "Lists and watches that failed.", labels=_ERRORS
        )
        for labels, value in _samples(self._metrics.errors):
            if name := self._names.get(labels["resource"]):
                errors.add_metric((*name, labels["reason"]), value)
        yield errors


def _samples(source: Collector) -> Iterator[tuple[Mapping[str, str], float]]:
    for family in source.collect():
        for sample in family.samples:
            yield sample.labels, sample.value
