"""Prometheus metrics: a registry per process, upstream's names, the text that /metrics serves.

Dashboards made for upstream name counters without the `_total` that the Python library insists on;
`PlainCounter` is a counter that keeps its name.
"""

from collections.abc import Iterable

import prometheus_client
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from linkerd.runtime.log_queue import DroppedLines

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_PLAIN_0_0_4

# Upstream exposes no `_created` series, and they would double the number of series.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # lacks annotations


def registry() -> CollectorRegistry:
    """A fresh registry that already has the metrics of the process, the interpreter, its garbage
    collector and the log."""
    fresh = CollectorRegistry()
    ProcessCollector(registry=fresh)
    PlatformCollector(registry=fresh)
    GCCollector(registry=fresh)
    fresh.register(DroppedLines())
    return fresh


class PlainCount:
    """One series of a PlainCounter."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1) -> None:
        """Adds `amount`, which is not negative."""
        self.value += amount


class PlainCounter(Collector):
    """A counter whose series are called exactly `name`. Used from one thread."""

    def __init__(
        self, name: str, documentation: str, labels: Iterable[str], registry: CollectorRegistry
    ) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = tuple(labels)
        self._series: dict[tuple[str, ...], PlainCount] = {}
        if not self._labels:
            self.labels()
        registry.register(self)

    def labels(self, *values: str) -> PlainCount:
        """The series with these label values, in the order of the names; made at first mention."""
        if len(values) != len(self._labels):
            raise ValueError(f"{self._name} has the labels {self._labels}, not {len(values)}")
        count = self._series.get(values)
        if count is None:
            count = self._series[values] = PlainCount()
        return count

    def remove(self, *values: str) -> None:
        """Forgets a series, if it is there."""
        self._series.pop(values, None)

    def inc(self, amount: float = 1) -> None:
        """Counts on the only series of a counter without labels."""
        self.labels().inc(amount)

    def collect(self) -> Iterable[Metric]:
        """The family as the library wants it; its type is mended in `exposition`."""
        family = _PlainFamily(self._name, self._documentation, "unknown")
        for values, count in self._series.items():
            family.add_sample(self._name, dict(zip(self._labels, values, strict=True)), count.value)
        return [family]

    def describe(self) -> Iterable[Metric]:
        """The name that the registry guards against doubles."""
        return [_PlainFamily(self._name, self._documentation, "unknown")]


class _PlainFamily(Metric):
    """Marks the families that are counters although the library must not know it."""


class _Collected(Collector):
    """What a registry gave, to be looked at twice."""

    def __init__(self, families: list[Metric]) -> None:
        self.families = families

    def collect(self) -> Iterable[Metric]:
        return self.families


def snapshot(source: Collector) -> Collector:
    """What a registry gives now, fit to be written out in another thread."""
    return _Collected(list(source.collect()))


def exposition(source: Collector) -> bytes:
    """The metrics of a registry in Prometheus's text format."""
    collected = _Collected(list(source.collect()))
    text = prometheus_client.generate_latest(collected)
    for family in collected.families:
        if isinstance(family, _PlainFamily):
            line = f"# TYPE {family.name} "
            text = text.replace(f"{line}untyped\n".encode(), f"{line}counter\n".encode())
    return text
