"""What the linked clusters tell Prometheus. Read from the store when it is scraped: the series of a
cluster end with its link."""

from collections.abc import Iterable
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.destination.clusters.store import ClusterStore

_LABELS: Final = ("cluster",)


class LinkCollector(Collector):
    """Gauges and a counter by cluster."""

    def __init__(self, store: ClusterStore) -> None:
        self._store = store

    def describe(self) -> Iterable[Metric]:
        """Nothing: the names are known to be free."""
        return []

    def collect(self) -> Iterable[Metric]:
        """All families."""
        current = GaugeMetricFamily(
            "linked_cluster_current",
            "1 while a linked cluster is known whole and kept in step, else 0.",
            labels=_LABELS,
        )
        memory = GaugeMetricFamily(
            "linked_cluster_memory_bytes",
            "What is known of a linked cluster, as its limit counts it.",
            labels=_LABELS,
        )
        drops = CounterMetricFamily(
            "linked_cluster_drops",
            "How often a linked cluster was given up, to be tried again.",
            labels=(*_LABELS, "reason"),
        )
        for state in self._store.states():
            current.add_metric((state.cluster,), float(state.current))
            memory.add_metric((state.cluster,), state.memory)
            for reason, count in state.drops.items():
                drops.add_metric((state.cluster, reason), count)
        return [current, memory, drops]
