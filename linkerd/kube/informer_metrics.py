"""What upstream's Go informers tell Prometheus, under their names: dashboards know them.

`<cache>_cache_size{cluster}` counts what is known of a kind; `<lag>_informer_lag_seconds` is how
long updates take to reach us. The names are the Resources'.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from linkerd.kube.lag import UpdateLag
from linkerd.kube.reflector_metrics import ReflectorMetrics
from linkerd.kube.resource import Resource
from linkerd.runtime.clock import Clock

_BUCKETS: Final = (0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 1000)  # seconds


class CacheSizes(Collector):
    """How many objects are known of each cluster that is read, by kind."""

    def __init__(self, metrics: ReflectorMetrics, kinds: Iterable[Resource[Any]]) -> None:
        self._metrics = metrics
        self._names: Mapping[str, str] = {each.label: each.cache for each in kinds if each.cache}

    def describe(self) -> Iterable[Metric]:
        """Nothing: the names are known to be free."""
        return []

    def collect(self) -> Iterator[Metric]:
        """A family for each kind."""
        found: defaultdict[str, dict[str, float]] = defaultdict(dict)
        for family in self._metrics.objects.collect():
            for sample in family.samples:
                name = self._names.get(sample.labels["resource"])
                if name is not None:
                    found[name][sample.labels["cluster"]] = sample.value
        for name in sorted(found):
            size = GaugeMetricFamily(
                f"{name}_cache_size", f"Objects that are known: {name}.", labels=("cluster",)
            )
            for cluster, value in found[name].items():
                size.add_metric((cluster,), value)
            yield size


class InformerLags:
    """Histograms of those kinds whose lag is worth knowing, made when a kind is read first."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._histograms: dict[str, Histogram] = {}

    def of(self, resource: Resource[Any], clock: Clock) -> UpdateLag | None:
        """What observes how long updates of a kind take; None if that is not worth knowing."""
        if not resource.lag:
            return None
        histogram = self._histograms.get(resource.lag)
        if histogram is None:
            histogram = self._histograms[resource.lag] = Histogram(
                f"{resource.lag}_informer_lag_seconds",
                f"From an update of a {resource.kind} to its event here.",
                buckets=_BUCKETS,
                registry=self._registry,
            )
        return UpdateLag(histogram.observe, clock)
