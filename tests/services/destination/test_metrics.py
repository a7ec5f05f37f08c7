"""What dashboards read."""

import shutil
import subprocess

import pytest
from prometheus_client import CollectorRegistry

from linkerd.kube.informer_metrics import CacheSizes, InformerLags
from linkerd.kube.reflector_metrics import ReflectorMetrics
from linkerd.kube.resource import PODS
from linkerd.mesh.labels import LOCAL_DISCOVERY, REMOTE_DISCOVERY
from linkerd.runtime.clock import SystemClock
from linkerd.runtime.metrics import exposition, registry
from services.destination.metrics import IndexCollector
from tests.support.destination.world import DOMAIN, World
from tests.support.objects import endpoint, endpoint_slice, pod, service
from tests.support.prometheus import ABSENT

PLACE = 'cluster="local",hostname="",namespace="fin",nodename="",port="8080",service="ledger"'
UPSTREAMS = {"endpoints_updates", "profile_updates", "workload_updates"}
LEDGER = "ledger.fin.svc.mesh.test:8080"


def scrape(world: World) -> list[str]:
    source = CollectorRegistry()
    source.register(IndexCollector(world.index, DOMAIN))
    return exposition(source).decode().splitlines()


def test_endpoints() -> None:
    world = World()
    world.apply(service("ledger"))
    assert f"endpoints_subscribers{{{PLACE}}}" not in "\n".join(scrape(world))
    streams = [world.get(LEDGER, node=name) for name in ("", "n1", "n1")]
    lines = scrape(world)
    assert f"endpoints_subscribers{{{PLACE}}} 3.0" in lines
    assert f"endpoints_pods{{{PLACE}}} 0.0" in lines
    assert f"endpoints_exists{{{PLACE}}} 0.0" in lines
    world.apply(endpoint_slice("s", "ledger", endpoint("192.0.2.1"), endpoint("192.0.2.2")))
    lines = scrape(world)
    assert f"endpoints_pods{{{PLACE}}} 2.0" in lines
    assert f"endpoints_exists{{{PLACE}}} 1.0" in lines
    assert f"endpoints_updates{{{PLACE}}} 1.0" in lines
    assert "# TYPE endpoints_updates counter" in lines
    assert "destination_topics 2.0" in lines
    for stream in streams:
        stream.subscription.close()
    assert f"endpoints_subscribers{{{PLACE}}}" not in "\n".join(scrape(world))


def test_profiles() -> None:
    world = World()
    world.apply(service("ledger"), pod("a", "fin", "10.4.0.1"))
    world.profile(LEDGER), world.profile("ledger.fin.svc.mesh.test:9")
    stream = world.profile("10.4.0.1:80")
    world.apply(pod("a", "fin", "10.4.0.1", account="other"))
    profile = 'namespace="fin",profile="ledger.fin.svc.mesh.test"'
    for line in (
        f"profile_subscribers{{{profile}}} 2.0",
        f"profile_updates{{{profile}}} 0.0",
        'service_subscribers{name="ledger",namespace="fin"} 2.0',
        "workload_subscribers 1.0",
        "workload_updates 1.0",
    ):
        assert line in scrape(world)
    stream.subscription.close()
    assert "workload_subscribers 0.0" in scrape(world)
    assert "workload_updates 1.0" in scrape(world)  # a counter does not fall


def test_our_own() -> None:
    world = World()
    annotations = {"config.linkerd.io/opaque-ports": "banana"}
    world.apply(service("ledger", annotations=annotations))
    world.profile(LEDGER)
    lines = scrape(world)
    assert "destination_malformed_objects_total 1.0" in lines
    assert "destination_index_failures_total 0.0" in lines


def test_each_origin_has_its_own_series() -> None:
    """Of a service of a linked cluster, and of every member of a federated one."""
    world = World()
    annotations = {LOCAL_DISCOVERY: "ledger", REMOTE_DISCOVERY: "ledger@north,ledger@west"}
    world.apply(service("all", annotations=annotations), service("ledger"))
    world.apply(endpoint_slice("s", "ledger", endpoint("192.0.2.1")))
    north = world.cluster("north")
    north.apply(service("ledger"))
    north.apply(endpoint_slice("s", "ledger", endpoint("192.0.2.2"), endpoint("192.0.2.3")))
    assert "cluster_store_size 0.0" in scrape(world)
    north.link()
    everywhere, here = world.get("all.fin.svc.mesh.test:8080"), world.get(LEDGER)
    lines = scrape(world)
    there = PLACE.replace("local", "north")
    for line in (
        f"endpoints_pods{{{PLACE}}} 1.0",
        f"endpoints_pods{{{there}}} 2.0",
        f"endpoints_subscribers{{{PLACE}}} 2.0",
        f"endpoints_subscribers{{{there}}} 1.0",
        "cluster_store_size 1.0",
        "destination_topics 2.0",
    ):
        assert line in lines
    assert not [line for line in lines if 'service="all"' in line or '"west"' in line]
    for stream in (everywhere, here):
        stream.subscription.close()


def test_streams_that_are_behind() -> None:
    world = World()
    world.apply(service("ledger"))
    quick, slow, profile = world.get(LEDGER), world.get(LEDGER), world.profile(LEDGER)
    for stream in (quick, slow, profile):
        stream.read()
    assert {"destination_streams 3.0", "destination_streams_behind 0.0"} <= set(scrape(world))
    world.apply(endpoint_slice("s", "ledger", endpoint("192.0.2.1")))
    assert "destination_streams_behind 2.0" in scrape(world)
    quick.read()
    assert "destination_streams_behind 1.0" in scrape(world)


@pytest.mark.skipif(shutil.which("promtool") is None, reason=ABSENT)
def test_prometheus_finds_nothing_odd_but_upstreams_names() -> None:
    """Counters without `_total` are upstream's; so are the labels that repeat a metric's name."""
    world, source = World(), registry()
    world.apply(service("ledger"), endpoint_slice("s", "ledger", endpoint("192.0.2.1")))
    world.get(LEDGER), world.profile(LEDGER)
    metrics = ReflectorMetrics(source)
    metrics.of("pods", "").attach(lambda: 0, lambda: 0)
    source.register(CacheSizes(metrics, [PODS]))
    source.register(IndexCollector(world.index, DOMAIN))
    InformerLags(source).of(PODS, SystemClock())
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=exposition(source),
        capture_output=True,
        check=False,
    )
    assert done.returncode in {0, 3}, done.stderr
    said = done.stderr.decode().splitlines()
    assert {line.split()[0] for line in said if "_total" in line} <= UPSTREAMS, said
    assert [line for line in said if "_total" not in line] == []
