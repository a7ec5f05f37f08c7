"""What the index tells Prometheus, under upstream's names as far as dashboards know them.

Everything is read from the index when it is scraped; what is followed costs nothing for it. Series
of endpoints are those of each origin (of a service itself, or of the services that it stands for,
in whichever cluster), summed over the nodes that clients are on (`nodename` is empty): one for each
node would be as many as services times nodes.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from linkerd.index import View
from linkerd.kube.reflector_metrics import LOCAL_CLUSTER
from linkerd.mesh.names import service_name
from linkerd.runtime.metrics import PlainCounter
from linkerd.streams import Topic
from services.destination.index import Index
from services.destination.index.origins import Origin
from services.destination.index.ports import AudienceTopic, PortView
from services.destination.index.profiles import (
    ProfileView,
    ServiceProfileView,
    WorkloadProfileView,
)
from services.destination.model.endpoints import Endpoints

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
        groups: dict[Labels, list[_Share]] = defaultdict(list)
        for view in self._index.views.values():
            if isinstance(view, PortView):
                for entry in view.audiences.values():
                    for share in _shares(entry):
                        groups[_place(share.origin, view.port, entry)].append(share)
        largest = {place: max(s.endpoints for s in shares) for place, shares in groups.items()}
        yield _gauge(
            "endpoints_subscribers",
            "Streams that follow the endpoints of a port.",
            _ENDPOINTS,
            {place: sum(s.topic.subscribers for s in group) for place, group in groups.items()},
        )
        yield from _counter(
            "endpoints_updates",
            "Changes of the endpoints of a port since it is followed.",
            _ENDPOINTS,
            {place: max(s.topic.version - 1 for s in group) for place, group in groups.items()},
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
            profile = service_name(name, namespace, self._cluster_domain)
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
        topics = [topic for view in index.views.values() for topic in _topics(view)]
        streams = sum(topic.subscribers for topic in topics)
        behind = streams - sum(topic.in_step for topic in topics)
        for name, documentation, value in (
            ("destination_topics", "States that streams follow.", len(topics)),
            ("destination_streams", "Streams that follow something.", streams),
            ("destination_streams_behind", "Streams that have not read the newest.", behind),
            ("cluster_store_size", "Linked clusters that are known.", len(index.clusters.linked())),
        ):
            yield _gauge(name, documentation, (), {(): value})
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


class _Share(NamedTuple):
    """What one origin adds to a topic."""

    origin: Origin
    topic: Topic[Endpoints]
    endpoints: int


def _shares(entry: AudienceTopic) -> Iterator[_Share]:
    for part in entry.topic.state or ():
        if isinstance(part.origin, Origin):
            yield _Share(part.origin, entry.topic, len(part.addresses))


def _place(origin: Origin, port: int, entry: AudienceTopic) -> Labels:
    cluster, key = origin.cluster or LOCAL_CLUSTER, origin.service
    return cluster, key.namespace, key.name, str(port), entry.audience.hostname, ""


def _topics(view: View) -> Iterable[Topic[Any]]:
    if isinstance(view, PortView):
        return [entry.topic for entry in view.audiences.values()]
    return [view.topic] if isinstance(view, ProfileView) else []


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
