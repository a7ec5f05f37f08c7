"""Metrics of watches, under the names that upstream's Rust controllers have."""

from prometheus_client import CollectorRegistry

from linkerd.kube.errors import NotFound
from linkerd.kube.reflector_metrics import ReflectorMetrics
from linkerd.kube.resource import HTTP_ROUTES, LINKERD_HTTP_ROUTES, PODS
from linkerd.kube.watch_metrics import WatchCounts
from linkerd.runtime.metrics import exposition


def test_events_lists_and_errors_by_kind() -> None:
    """Two kinds of one name are two; a kind that is not in the table is not told."""
    source, metrics = CollectorRegistry(), ReflectorMetrics(CollectorRegistry())
    kinds = (PODS, HTTP_ROUTES, LINKERD_HTTP_ROUTES)
    source.register(WatchCounts(metrics, kinds))
    pods, gateway, linkerd = (metrics.of(kind.label, "") for kind in kinds)
    secrets = metrics.of("secrets", "linkerd")
    for meter in (pods, gateway, secrets):
        meter.lists.inc()
    for type_ in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"):
        pods.saw(type_)
    linkerd.failed(NotFound(404, "NotFound", "there is no such kind"))
    told = exposition(source).decode().splitlines()
    pod = 'group="",kind="Pod"'
    theirs = 'group="gateway.networking.k8s.io",kind="HTTPRoute"'
    ours = 'group="policy.linkerd.io",kind="HTTPRoute"'
    assert not [line for line in told if "Secret" in line]
    assert set(told) >= {
        f'kube_watch_events_total{{{pod},op="Apply",version="v1"}} 2.0',
        f'kube_watch_events_total{{{pod},op="Delete",version="v1"}} 1.0',
        f'kube_watch_events_total{{{pod},op="Restart",version="v1"}} 1.0',
        f'kube_watch_events_total{{{theirs},op="Restart",version="v1"}} 1.0',
        f'kube_watch_errors_total{{error="NotFound",{ours},version="v1beta3"}} 1.0',
    }
