"""The room against a real API server: what the peer of the other tests cannot prove."""

import asyncio
import http.client
import json
import ssl
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from linkerd.kube import reflector as reflecting_module
from linkerd.kube.client import KubeClient
from linkerd.kube.events import Deleted
from linkerd.kube.objects import Key
from linkerd.kube.reflector_metrics import ReflectorMetrics
from linkerd.kube.resource import CONFIG_MAPS, REPLICA_SETS
from linkerd.local.cluster import LocalCluster
from tests.support.cut import CutProxy, api_server_of, kubeconfig_through
from tests.support.pods import PODS
from tests.support.reflecting import Follower, ImpatientClock, reflecting
from tests.support.requests import create, delete, idle_pod, patch

pytestmark = pytest.mark.integration


async def test_a_life_of_pods(kube: KubeClient, namespace: str) -> None:
    await create(kube, PODS, namespace, idle_pod("a", app="web"))
    async with reflecting(kube, PODS.narrowed(namespace)) as follower:
        await follower.reflector.wait_synced()
        assert follower.names == ["a"]
        await create(kube, PODS, namespace, idle_pod("b", app="web"))
        path = PODS.path(namespace, "b")
        status = {"phase": "Running", "podIP": "10.1.2.3", "podIPs": [{"ip": "10.1.2.3"}]}
        await patch(kube, path, {"status": status}, "/status")
        key = Key(namespace, "b")
        await follower.until(lambda f: key in f.replayed and bool(f.replayed[key].status.pod_ip))
        pod = follower.replayed[key]
        assert pod.status.phase == "Running"
        assert pod.spec.containers[0].ports[0].name == "http"
        assert pod.metadata.labels == {"app": "web"}
        await delete(kube, path)
        await delete(kube, PODS.path(namespace, "a"))
        await follower.until(lambda f: f.names == [])


async def test_pages(kube: KubeClient, namespace: str) -> None:
    kube.limits = replace(kube.limits, page=7)
    for number in range(30):
        await create(kube, CONFIG_MAPS, namespace, {"metadata": {"name": f"m{number:02}"}})
    async with reflecting(kube, CONFIG_MAPS.narrowed(namespace)) as follower:
        await follower.reflector.wait_synced()
        assert len(follower.names) == 30
        await create(kube, CONFIG_MAPS, namespace, {"metadata": {"name": "later"}})
        await follower.until(lambda f: "later" in f.names)
        assert len(follower.events) == 31


async def test_metadata_only(kube: KubeClient, namespace: str) -> None:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": idle_pod("x")["spec"]}
    document = {
        "metadata": {"name": "web-1", "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
    await create(kube, REPLICA_SETS, namespace, document)
    path = REPLICA_SETS.path(namespace)
    body = await kube.request("GET", path, accept=REPLICA_SETS.accept_list)
    assert "spec" not in json.loads(body)["items"][0]
    async with reflecting(kube, REPLICA_SETS.narrowed(namespace)) as follower:
        await follower.reflector.wait_synced()
        assert follower.replayed[Key(namespace, "web-1")].metadata.labels == labels
        await delete(kube, REPLICA_SETS.path(namespace, "web-1"))
        await follower.until(lambda f: f.names == [])


async def test_selectors(kube: KubeClient, namespace: str) -> None:
    await create(kube, PODS, namespace, idle_pod("in", app="web"))
    await create(kube, PODS, namespace, idle_pod("out", app="other"))
    async with reflecting(kube, PODS.narrowed(namespace, labels="app=web")) as follower:
        await follower.reflector.wait_synced()
        assert follower.names == ["in"]
        relabelled = {"metadata": {"labels": {"app": "other"}}}
        await patch(kube, PODS.path(namespace, "in"), relabelled)
        await follower.until(lambda f: f.names == [])


async def test_objects_larger_than_any_read_buffer(kube: KubeClient, namespace: str) -> None:
    async with reflecting(kube, CONFIG_MAPS.narrowed(namespace)) as follower:
        await follower.reflector.wait_synced()
        big = {"metadata": {"name": "big"}, "data": {"text": "x" * 1_000_000}}
        await create(kube, CONFIG_MAPS, namespace, big)
        await follower.until(lambda f: f.names == ["big"])


async def test_an_api_server_that_is_away_changes_nothing(
    kube: KubeClient, far: KubeClient, cut: CutProxy, namespace: str
) -> None:
    registry, clock = CollectorRegistry(), ImpatientClock()
    options: dict[str, Any] = {"clock": clock, "metrics": ReflectorMetrics(registry)}
    for name in ("stays", "changes", "goes"):
        await create(kube, PODS, namespace, idle_pod(name))
    async with reflecting(far, PODS.narrowed(namespace), **options) as follower:
        await follower.reflector.wait_synced()
        await _opened(registry, follower)
        told = len(follower.events)
        await cut.cut()
        await delete(kube, PODS.path(namespace, "goes"))
        relabelled = {"metadata": {"labels": {"a": "b"}}}
        await patch(kube, PODS.path(namespace, "changes"), relabelled)
        await create(kube, PODS, namespace, idle_pod("comes"))
        await clock.until_slept(10)
        assert follower.names == ["changes", "goes", "stays"]
        assert len(follower.events) == told
        assert follower.reflector.age_seconds >= sum(clock.slept[:10])
        cut.heal()
        await follower.until(lambda f: f.names == ["changes", "comes", "stays"])
        assert follower.replayed[Key(namespace, "changes")].metadata.labels == {"a": "b"}
        news = follower.events[told:]
        assert [e.object.metadata.name for e in news if isinstance(e, Deleted)] == ["goes"]
        assert "stays" not in {event.object.metadata.name for event in news}
        assert _value(registry, "kube_reflector_lists_total") == 1


async def test_a_stalled_connection_is_left(
    kube: KubeClient, far: KubeClient, cut: CutProxy, namespace: str
) -> None:
    registry = CollectorRegistry()
    options: dict[str, Any] = {"idle_timeout": 0.5, "metrics": ReflectorMetrics(registry)}
    clock = ImpatientClock()
    async with reflecting(far, PODS.narrowed(namespace), clock=clock, **options) as follower:
        await follower.reflector.wait_synced()
        await _opened(registry, follower)
        cut.stall()
        await create(kube, PODS, namespace, idle_pod("a"))
        accepted = cut.accepted
        await cut.until(lambda proxy: proxy.accepted > accepted)
        cut.heal()
        await follower.until(lambda f: f.names == ["a"])
        assert _value(registry, "kube_reflector_lists_total") == 1


async def test_a_watch_that_runs_out_goes_on_without_a_list(
    kube: KubeClient, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reflecting_module, "_WATCH_SECONDS", (1, 1))
    registry, clock = CollectorRegistry(), ImpatientClock()
    options: dict[str, Any] = {"clock": clock, "metrics": ReflectorMetrics(registry)}
    async with reflecting(kube, PODS.narrowed(namespace), **options) as follower:
        await _opened(registry, follower, times=2)
        await create(kube, PODS, namespace, idle_pod("a"))
        await follower.until(lambda f: f.names == ["a"])
        assert len(follower.events) == 1
        assert _value(registry, "kube_reflector_lists_total") == 1


async def test_a_killed_api_server_and_a_compacted_store(own_api_cluster: LocalCluster) -> None:
    """The server comes back without its memory, over a store without history: 410."""
    registry, clock = CollectorRegistry(), ImpatientClock()
    options: dict[str, Any] = {"clock": clock, "metrics": ReflectorMetrics(registry)}
    kubeconfig = own_api_cluster.kubeconfig
    async with (
        await KubeClient.connect(kubeconfig, user_agent="test") as admin,
        CutProxy(*api_server_of(kubeconfig)) as cut,
        await KubeClient.connect(
            kubeconfig_through(kubeconfig, cut, own_api_cluster.state), user_agent="test"
        ) as client,
        reflecting(client, CONFIG_MAPS.narrowed("default"), **options) as follower,
    ):
        for name in ("stays", "changes", "goes"):
            await create(admin, CONFIG_MAPS, "default", {"metadata": {"name": name}})
        await follower.until(lambda f: f.names == ["changes", "goes", "stays"])
        await cut.cut()
        await delete(admin, CONFIG_MAPS.path("default", "goes"))
        await patch(admin, CONFIG_MAPS.path("default", "changes"), {"data": {"a": "b"}})
        await create(admin, CONFIG_MAPS, "default", {"metadata": {"name": "comes"}})
        await asyncio.to_thread(own_api_cluster.stop, "kube-apiserver")
        await asyncio.to_thread(_compact, own_api_cluster)
        cut.heal()
        before = len(clock.slept)
        await clock.until_slept(before + 5)
        assert follower.names == ["changes", "goes", "stays"]
        told = len(follower.events)
        await asyncio.to_thread(own_api_cluster.start, "kube-apiserver")
        await follower.until(lambda f: f.names == ["changes", "comes", "stays"])
        events = follower.events[told:]
        assert sorted(event.object.metadata.name for event in events) == [
            "changes",
            "comes",
            "goes",
        ]
        assert _value(registry, "kube_reflector_lists_total", namespace="default") == 2
        await create(admin, CONFIG_MAPS, "default", {"metadata": {"name": "later"}})
        await follower.until(lambda f: "later" in f.names)


def _compact(cluster: LocalCluster) -> None:
    """Makes etcd forget all but the present, through the JSON face of its API."""
    pki = cluster.state / "pki"
    port = json.loads((cluster.state / "cluster.json").read_text())["ports"]["etcd"]
    context = ssl.create_default_context(cafile=pki / "etcd-ca.crt")
    context.load_cert_chain(pki / "etcd-client.crt", pki / "etcd-client.key")
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
    try:
        now = _ask_etcd(connection, "range", {"key": "AA=="})["header"]["revision"]
        _ask_etcd(connection, "compaction", {"revision": now, "physical": True})
    finally:
        connection.close()


def _ask_etcd(
    connection: http.client.HTTPSConnection, what: str, question: dict[str, Any]
) -> dict[str, Any]:
    connection.request("POST", f"/v3/kv/{what}", json.dumps(question))
    response = connection.getresponse()
    body = response.read()
    assert response.status == 200, body
    answer: dict[str, Any] = json.loads(body)
    return answer


def _value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    """The sum of a metric's samples."""
    return sum(
        sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


async def _opened(registry: CollectorRegistry, follower: Follower[Any], times: int = 1) -> None:
    """Returns once that many watches stand or stood."""
    await follower.until(lambda _: _value(registry, "kube_reflector_watches_total") >= times)
