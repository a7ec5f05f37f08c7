"""Metrics under the names that upstream's informers have."""

from datetime import datetime, timedelta

import msgspec
from prometheus_client import CollectorRegistry

from linkerd.kube.informer_metrics import CacheSizes, InformerLags
from linkerd.kube.objects import Key
from linkerd.kube.reflector_metrics import ReflectorMetrics
from linkerd.kube.resource import ENDPOINT_SLICES, NODES, PODS, SECRETS
from linkerd.runtime.metrics import exposition
from tests.support.clock import FakeClock


def test_cache_sizes() -> None:
    source, pods = CollectorRegistry(), {1, 2}
    metrics = ReflectorMetrics(CollectorRegistry())
    metrics.of("pods", "").attach(lambda: 0, lambda: len(pods))
    detach = metrics.of("pods", "", "north").attach(lambda: 0, lambda: 7)
    metrics.of("endpointslices", "").attach(lambda: 0, lambda: 0)
    metrics.of("secrets", "linkerd").attach(lambda: 0, lambda: 1)
    source.register(CacheSizes(metrics, [PODS, ENDPOINT_SLICES, SECRETS]))
    pods.add(3)
    lines = exposition(source).decode().splitlines()
    assert 'pod_cache_size{cluster="local"} 3.0' in lines
    assert 'pod_cache_size{cluster="north"} 7.0' in lines
    assert 'endpointslices_cache_size{cluster="local"} 0.0' in lines
    assert not [line for line in lines if "secret" in line]
    detach()
    assert "north" not in exposition(source).decode()


def test_lags() -> None:
    """Of Nodes and the like there are none. A kind that is read twice has one histogram."""
    source, clock = CollectorRegistry(), FakeClock()
    lags = InformerLags(source)
    assert lags.of(NODES, clock) is None
    for kind in (PODS, PODS):
        lag = lags.of(kind, clock)
        assert lag is not None
        for ago in (60, 3):
            lag.saw(Key("shop", "web"), _written(clock.now() - timedelta(seconds=ago)))
    lines = exposition(source).decode().splitlines()
    assert "pods_informer_lag_seconds_count 2.0" in lines
    assert 'pods_informer_lag_seconds_bucket{le="2.5"} 0.0' in lines
    assert [line for line in lines if line.startswith("pods_informer_lag_seconds_bucket")][-1] == (
        'pods_informer_lag_seconds_bucket{le="+Inf"} 2.0'
    )


def _written(at: datetime) -> bytes:
    fields = [{"operation": "Update", "time": at.isoformat()}]
    return msgspec.json.encode({"metadata": {"managedFields": fields}})
