"""What the index tells Prometheus, under upstream's names as far as dashboards know them.

Everything is read from the index when it is scraped; what is followed costs nothing for it. Series
of endpoints are summed over the nodes that clients are on (`nodename` is empty): one for each node
would be as many as services times nodes.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sized
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from linkerd.runtime.metrics import PlainCounter
from services.destination.index import Index, Kind
from services.destination.index.ports import AudienceTopic, PortView
from services.destination.index.profiles import ServiceProfileView, WorkloadProfileView

CLUSTER: Final = "local"
_CACHE_NAMES: Final = {Kind.SLICE: "endpointslices"}
_ENDPOINTS: Final = ("cluster", "namespace", "service", "port", "hostname", "nodename")
_PROFILE: Final = ("namespace", "profile")
_SERVICE: Final = ("namespace", "name")

Labels = tuple[str, ...]


class IndexCollector(Collector):
    """Counts followers, updates and endpoints of what is followed at the moment."""

    def __init__(self, index: Index, cluster_domain: str) -> None:
        self._index = index
        self._cluster_domain = cluster_domain

    def describe(self) -> Iterable[Metric]:
        """Nothing: the names are known to be free, and asking would walk the index."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All families."""
        yield from self._endpoints()
        yield from self._profiles()
        yield from self._workloads()
        yield from self._self()

    def _endpoints(self) -> Iterator[Metric]:
        groups: dict[Labels, list[AudienceTopic]] = defaultdict(list)
        for view in self._index.views.values():
            if isinstance(view, PortView):
                for entry in view.audiences.values():
                    key = view.key
                    hostname = entry.audience.hostname
                    place = (CLUSTER, key.namespace, key.name, str(view.port), hostname, "")
                    groups[place].append(entry)
        largest = {place: max(map(_size, entries)) for place, entries in groups.items()}
        yield _gauge(
            "endpoints_subscribers",
            "Streams that follow the endpoints of a port.",
            _ENDPOINTS,
            {place: sum(e.topic.subscribers for e in group) for place, group in groups.items()},
        )
        yield from _counter(
            "endpoints_updates",
            "Changes of the endpoints of a port since it is followed.",
            _ENDPOINTS,
            {place: max(e.topic.version - 1 for e in group) for place, group in groups.items()},
        )
        yield _gauge("endpoints_pods", "Endpoints of a port.", _ENDPOINTS, largest)
        yield _gauge(
            "endpoints_exists",
            "Whether a port has endpoints.",
            _ENDPOINTS,
            {place: float(size > 0) for place, size in largest.items()},
        )

    def _profiles(self) -> Iterator[Metric]:
        views = [v for v in self._index.views.values() if isinstance(v, ServiceProfileView)]
        followers: dict[Labels, float] = defaultdict(float)
        updates: dict[Labels, float] = defaultdict(float)
        services: dict[Labels, float] = defaultdict(float)
        for view in views:
            namespace, name = view.key
            profile = f"{name}.{namespace}.svc.{self._cluster_domain}"
            followers[namespace, profile] += view.topic.subscribers
            updates[namespace, profile] += view.topic.version - 1
            services[namespace, name] += view.topic.subscribers
        yield _gauge(
            "profile_subscribers", "Streams that follow a service's profile.", _PROFILE, followers
        )
        yield from _counter(
            "profile_updates", "Changes of a profile since it is followed.", _PROFILE, updates
        )
        yield _gauge("service_subscribers", "Profile streams of a service.", _SERVICE, services)

    def _workloads(self) -> Iterator[Metric]:
        views = [v for v in self._index.views.values() if isinstance(v, WorkloadProfileView)]
        subscribers = sum(view.topic.subscribers for view in views)
        updates = self._index.past_workload_updates + sum(view.topic.version - 1 for view in views)
        yield _gauge(
            "workload_subscribers", "Streams that follow an IP's profile.", (), {(): subscribers}
        )
        yield from _counter("workload_updates", "Changes of IPs' profiles.", (), {(): updates})

    def _self(self) -> Iterator[Metric]:
        index = self._index
        yield _gauge("destination_topics", "States that streams follow.", (), {(): index.topics()})
        yield CounterMetricFamily(
            "destination_malformed_objects",
            "Complaints about objects that were made (and logged).",
            value=index.tally.complaints,
        )
        yield CounterMetricFamily(
            "destination_index_failures",
            "Computations that an error of this program broke off.",
            value=index.tally.failures,
        )


def _size(entry: AudienceTopic) -> int:
    state = entry.topic.state
    return sum(len(part.addresses) for part in state or ())


def _gauge(
    name: str, documentation: str, labels: Labels, values: Mapping[Labels, float]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, documentation, labels=labels)
    for place, value in values.items():
        family.add_metric(place, value)
    return family


def _counter(
    name: str, documentation: str, labels: Labels, values: Mapping[Labels, float]
) -> Iterable[Metric]:
    counter = PlainCounter(name, documentation, labels, CollectorRegistry())
    for place, value in values.items():
        counter.labels(*place).value = value
    return counter.collect()


def cache_sizes(registry: CollectorRegistry, stores: Mapping[Kind, Sized]) -> None:
    """A gauge `<kind>_cache_size` for each store."""
    for kind, store in stores.items():
        gauge = Gauge(
            f"{_CACHE_NAMES.get(kind, kind.value.lower())}_cache_size",
            f"Objects of kind {kind.value} that are known.",
            ("cluster",),
            registry=registry,
        )
        gauge.labels(CLUSTER).set_function(partial(len, store))
