"""What dashboards read."""

from prometheus_client import CollectorRegistry

from linkerd.runtime.metrics import exposition
from linkerd.testing.objects import endpoint, endpoint_slice, pod, service
from services.destination.index import Kind
from services.destination.metrics import IndexCollector, cache_sizes
from services.destination.testing import DOMAIN, World

PLACE = 'cluster="local",hostname="",namespace="fin",nodename="",port="8080",service="ledger"'
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


def test_cache_sizes() -> None:
    source, pods = CollectorRegistry(), {1, 2}
    cache_sizes(source, {Kind.POD: pods, Kind.SLICE: set()})
    pods.add(3)
    lines = exposition(source).decode().splitlines()
    assert 'pod_cache_size{cluster="local"} 3.0' in lines
    assert 'endpointslices_cache_size{cluster="local"} 0.0' in lines
