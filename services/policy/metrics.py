"""What the index tells Prometheus, under upstream's names. It is counted when it is scraped."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from linkerd.index import TopicView
from linkerd.kube.objects import Key
from services.policy.index.inbound.ports import Crowd
from services.policy.index.index import PolicyIndex
from services.policy.index.kinds import Kind

_NAMESPACE: Final = ("namespace",)
_INBOUND_ROUTES: Final = frozenset({Kind.HTTP_ROUTE, Kind.GATEWAY_HTTP_ROUTE})


class IndexCollector(Collector):
    """Sizes of the tables, and what was complained of."""

    def __init__(self, index: PolicyIndex) -> None:
        self._index = index

    def describe(self) -> Iterable[Metric]:
        """Nothing: the names are known to be free, and asking would walk the index."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All families."""
        yield from self._inbound()
        yield from self._outbound()
        yield from self._self()

    def _inbound(self) -> Iterator[Metric]:
        objects = self._index.home.objects
        allowed = objects.authorizations
        http_routes = (key.object for key in objects.routes.judged if key.kind in _INBOUND_ROUTES)
        for name, what, namespaces in (
            ("meshtls_authentication", "MeshTLSAuthentications", _of(allowed.mesh_tls)),
            ("network_authentication", "NetworkAuthentications", _of(allowed.networks)),
            ("pod", "Pods in the mesh", _of(objects.workloads.pods)),
            ("external_workload", "ExternalWorkloads", _of(objects.workloads.external)),
            ("server", "Servers", _of(objects.servers.known)),
            ("server_authorization", "ServerAuthorizations", _of(allowed.of_servers)),
            ("authorization_policy", "AuthorizationPolicies", _of(allowed.policies)),
            ("http_route", "HTTPRoutes", _of(http_routes)),
        ):
            yield _sizes(f"inbound_index_{name}_index_size", f"{what} that are known.", namespaces)

    def _outbound(self) -> Iterator[Metric]:
        tables = self._index.home.objects.outbound
        addresses, services = len(tables.services_by_ip), len(tables.services)
        yield GaugeMetricFamily(
            "outbound_index_service_index_size", "Cluster IPs that are known.", value=addresses
        )
        yield GaugeMetricFamily(
            "outbound_index_service_info_index_size", "Services that are known.", value=services
        )
        named = {parent for route in tables.routes.values() for parent in route.parents}
        for name, what, namespaces in (
            (
                "service_route",
                "Parents that routes name as a whole.",
                (parent.namespace for parent in named if parent.port is None),
            ),
            (
                "service_port_route",
                "Ports of parents that routes name.",
                (parent.namespace for parent in named if parent.port is not None),
            ),
        ):
            yield _sizes(f"outbound_index_{name}_index_size", what, namespaces)

    def _self(self) -> Iterator[Metric]:
        index = self._index
        streams = GaugeMetricFamily(
            "policy_streams", "Streams that follow something.", labels=("direction",)
        )
        inbound = sum(view.size for view in index.views.values() if isinstance(view, Crowd))
        topics = [view.topic for view in index.views.values() if isinstance(view, TopicView)]
        streams.add_metric(("inbound",), inbound)
        streams.add_metric(("outbound",), sum(topic.subscribers for topic in topics))
        yield streams
        followed = sum(not isinstance(view, Crowd) for view in index.views.values())
        yield GaugeMetricFamily(
            "policy_views", "Ports and targets that streams follow.", value=followed
        )
        yield CounterMetricFamily(
            "policy_malformed_objects",
            "Complaints about objects that were made (and logged).",
            value=index.tally.complaints,
        )
        yield CounterMetricFamily(
            "policy_index_failures",
            "Computations that an error of this program broke off.",
            value=index.tally.failures,
        )


def _of(keys: Iterable[Key]) -> Iterator[str]:
    return (key.namespace for key in keys)


def _sizes(name: str, documentation: str, namespaces: Iterable[str]) -> GaugeMetricFamily:
    """A gauge of how often each namespace is there."""
    family = GaugeMetricFamily(name, documentation, labels=_NAMESPACE)
    for namespace, size in Counter(namespaces).items():
        family.add_metric((namespace,), size)
    return family
