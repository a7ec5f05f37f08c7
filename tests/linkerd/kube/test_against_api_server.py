"""The room against a real API server: what the peer of the other tests cannot prove."""

import asyncio
import base64
import http.client
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from prometheus_client import CollectorRegistry

from linkerd.kube import reflector as reflecting_module
from linkerd.kube.client import JSON, MERGE_PATCH, KubeClient
from linkerd.kube.errors import Conflict, Forbidden, NotFound, Unauthorized, Unreachable
from linkerd.kube.events import Deleted
from linkerd.kube.objects import Key, ServiceProfile
from linkerd.kube.reflector_metrics import ReflectorMetrics
from linkerd.kube.resource import CONFIG_MAPS, PODS, REPLICA_SETS, Resource
from linkerd.kube.reviews import create_token_review, self_subject_access_review
from linkerd.kube.single import read_object
from linkerd.local.certificates import Authority
from linkerd.local.cluster import LocalCluster
from linkerd.testing.cut import CutProxy, api_server_of, kubeconfig_through
from linkerd.testing.reflecting import Follower, ImpatientClock, reflecting

pytestmark = pytest.mark.integration


@pytest.fixture
async def kube(api_cluster: LocalCluster) -> AsyncIterator[KubeClient]:
    """The administrator's client."""
    async with await KubeClient.connect(api_cluster.kubeconfig, user_agent="test") as client:
        yield client


@pytest.fixture
async def cut(api_cluster: LocalCluster) -> AsyncIterator[CutProxy]:
    """What stands between `far` and the API server."""
    async with CutProxy(*api_server_of(api_cluster.kubeconfig)) as proxy:
        yield proxy


@pytest.fixture
async def far(
    api_cluster: LocalCluster, cut: CutProxy, tmp_path: Path
) -> AsyncIterator[KubeClient]:
    """A client that can be cut off."""
    path = kubeconfig_through(api_cluster.kubeconfig, cut, tmp_path)
    async with await KubeClient.connect(path, user_agent="test") as client:
        yield client


def _pod(name: str, **labels: str) -> dict[str, Any]:
    container = {"name": "app", "image": "none", "ports": [{"containerPort": 80, "name": "http"}]}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0, "nodeName": "nowhere"}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec}


async def _create(
    client: KubeClient, resource: Resource[Any], namespace: str, document: dict[str, Any]
) -> None:
    path = resource.path(namespace)
    await client.request("POST", path, body=msgspec.json.encode(document))


async def _patch(client: KubeClient, path: str, document: dict[str, Any], suffix: str = "") -> None:
    body = msgspec.json.encode(document)
    await client.request("PATCH", path + suffix, body=body, content_type=MERGE_PATCH)


async def _delete(client: KubeClient, path: str) -> None:
    await client.request("DELETE", path, query={"gracePeriodSeconds": "0"})


async def test_a_life_of_pods(kube: KubeClient, namespace: str) -> None:
    await _create(kube, PODS, namespace, _pod("a", app="web"))
    async with reflecting(kube, PODS, namespace=namespace) as follower:
        await follower.reflector.wait_synced()
        assert follower.names == ["a"]
        await _create(kube, PODS, namespace, _pod("b", app="web"))
        path = PODS.path(namespace, "b")
        status = {"phase": "Running", "podIP": "10.1.2.3", "podIPs": [{"ip": "10.1.2.3"}]}
        await _patch(kube, path, {"status": status}, "/status")
        key = Key(namespace, "b")
        await follower.until(lambda f: key in f.replayed and bool(f.replayed[key].status.ips))
        pod = follower.replayed[key]
        assert pod.status.phase == "Running"
        assert pod.spec.containers[0].ports[0].name == "http"
        assert pod.metadata.labels == {"app": "web"}
        assert await read_object(kube, PODS, "b", namespace) == pod
        await _delete(kube, path)
        await _delete(kube, PODS.path(namespace, "a"))
        await follower.until(lambda f: f.names == [])
        with pytest.raises(NotFound):
            await read_object(kube, PODS, "b", namespace)


async def test_pages(kube: KubeClient, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflecting_module, "PAGE", 7)
    for number in range(30):
        await _create(kube, CONFIG_MAPS, namespace, {"metadata": {"name": f"m{number:02}"}})
    async with reflecting(kube, CONFIG_MAPS, namespace=namespace) as follower:
        await follower.reflector.wait_synced()
        assert len(follower.names) == 30
        await _create(kube, CONFIG_MAPS, namespace, {"metadata": {"name": "later"}})
        await follower.until(lambda f: "later" in f.names)
        assert len(follower.events) == 31


async def test_metadata_only(kube: KubeClient, namespace: str) -> None:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": _pod("x")["spec"]}
    document = {
        "metadata": {"name": "web-1", "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
    await _create(kube, REPLICA_SETS, namespace, document)
    path = REPLICA_SETS.path(namespace)
    body = await kube.request("GET", path, accept=REPLICA_SETS.accept_list)
    assert "spec" not in json.loads(body)["items"][0]
    async with reflecting(kube, REPLICA_SETS, namespace=namespace) as follower:
        await follower.reflector.wait_synced()
        assert follower.replayed[Key(namespace, "web-1")].metadata.labels == labels
        await _delete(kube, REPLICA_SETS.path(namespace, "web-1"))
        await follower.until(lambda f: f.names == [])


async def test_selectors(kube: KubeClient, namespace: str) -> None:
    await _create(kube, PODS, namespace, _pod("in", app="web"))
    await _create(kube, PODS, namespace, _pod("out", app="other"))
    options = {"namespace": namespace, "label_selector": "app=web"}
    async with reflecting(kube, PODS, **options) as follower:
        await follower.reflector.wait_synced()
        assert follower.names == ["in"]
        relabelled = {"metadata": {"labels": {"app": "other"}}}
        await _patch(kube, PODS.path(namespace, "in"), relabelled)
        await follower.until(lambda f: f.names == [])


async def test_objects_larger_than_any_read_buffer(kube: KubeClient, namespace: str) -> None:
    async with reflecting(kube, CONFIG_MAPS, namespace=namespace) as follower:
        await follower.reflector.wait_synced()
        big = {"metadata": {"name": "big"}, "data": {"text": "x" * 1_000_000}}
        await _create(kube, CONFIG_MAPS, namespace, big)
        await follower.until(lambda f: f.names == ["big"])


async def test_an_api_server_that_is_away_changes_nothing(
    kube: KubeClient, far: KubeClient, cut: CutProxy, namespace: str
) -> None:
    registry, clock = CollectorRegistry(), ImpatientClock()
    options: dict[str, Any] = {"clock": clock, "metrics": ReflectorMetrics(registry)}
    for name in ("stays", "changes", "goes"):
        await _create(kube, PODS, namespace, _pod(name))
    async with reflecting(far, PODS, namespace=namespace, **options) as follower:
        await follower.reflector.wait_synced()
        await _opened(registry, follower)
        told = len(follower.events)
        await cut.cut()
        await _delete(kube, PODS.path(namespace, "goes"))
        relabelled = {"metadata": {"labels": {"a": "b"}}}
        await _patch(kube, PODS.path(namespace, "changes"), relabelled)
        await _create(kube, PODS, namespace, _pod("comes"))
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
    async with reflecting(far, PODS, namespace=namespace, clock=clock, **options) as follower:
        await follower.reflector.wait_synced()
        await _opened(registry, follower)
        cut.stall()
        await _create(kube, PODS, namespace, _pod("a"))
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
    async with reflecting(kube, PODS, namespace=namespace, **options) as follower:
        await _opened(registry, follower, times=2)
        await _create(kube, PODS, namespace, _pod("a"))
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
        reflecting(client, CONFIG_MAPS, namespace="default", **options) as follower,
    ):
        for name in ("stays", "changes", "goes"):
            await _create(admin, CONFIG_MAPS, "default", {"metadata": {"name": name}})
        await follower.until(lambda f: f.names == ["changes", "goes", "stays"])
        await cut.cut()
        await _delete(admin, CONFIG_MAPS.path("default", "goes"))
        await _patch(admin, CONFIG_MAPS.path("default", "changes"), {"data": {"a": "b"}})
        await _create(admin, CONFIG_MAPS, "default", {"metadata": {"name": "comes"}})
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
        await _create(admin, CONFIG_MAPS, "default", {"metadata": {"name": "later"}})
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


async def test_deep_and_malformed_objects_spoil_only_themselves(
    kube: KubeClient, namespace: str
) -> None:
    group = f"{namespace}.example.org"
    things = Resource(group, "v1", "things", "Thing", ServiceProfile)
    await kube.request("POST", _CRDS, body=msgspec.json.encode(_crd(group)))
    try:
        await _until_served(kube, things, namespace)
        deep = b'{"not":' * 3000 + b"{}" + b"}" * 3000
        await _create_thing(
            kube, things, namespace, "deep", b'{"routes":[{"condition":%b}]}' % deep
        )
        await _create_thing(kube, things, namespace, "wrong", b'{"routes":"banana"}')
        await _create_thing(kube, things, namespace, "good", b'{"routes":[{"name":"r"}]}')
        async with reflecting(kube, things, namespace=namespace) as follower:
            await follower.reflector.wait_synced()
            assert follower.names == ["good"]
            mended = {"spec": {"routes": [{"name": "mended"}]}}
            await _patch(kube, things.path(namespace, "wrong"), mended)
            await _patch(kube, things.path(namespace, "deep"), mended)
            await follower.until(lambda f: f.names == ["deep", "good", "wrong"])
            wrong = {"spec": {"routes": [{"name": 5}]}}
            await _patch(kube, things.path(namespace, "good"), wrong)
            await _create_thing(kube, things, namespace, "last", b"{}")
            await follower.until(lambda f: "last" in f.names)
            assert follower.replayed[Key(namespace, "good")].spec.routes[0].name == "r"
            await _delete(kube, things.path(namespace, "good"))
            await follower.until(lambda f: "good" not in f.names)
    finally:
        await _delete(kube, f"{_CRDS}/things.{group}")


_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def _crd(group: str) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": schema}}},
    }
    names = {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    return {"metadata": {"name": f"things.{group}"}, "spec": spec}


async def _until_served(kube: KubeClient, things: Resource[Any], namespace: str) -> None:
    """A CRD is served some moments after it was made; the reflector waits for that too."""
    async with reflecting(kube, things, namespace=namespace) as follower:
        async with asyncio.timeout(30):
            await follower.reflector.wait_synced()


async def _create_thing(
    kube: KubeClient, things: Resource[Any], namespace: str, name: str, spec: bytes
) -> None:
    head = json.dumps({"apiVersion": f"{things.group}/v1", "kind": "Thing"}).encode()[:-1]
    body = head + b',"metadata":{"name":"%b"},"spec":%b}' % (name.encode(), spec)
    await kube.request("POST", things.path(namespace), body=body, content_type=JSON)


async def test_permissions(
    api_cluster: LocalCluster, kube: KubeClient, namespace: str, tmp_path: Path
) -> None:
    token = await _service_account_token(kube, namespace, "nobody")
    path = _kubeconfig_with(api_cluster.kubeconfig, tmp_path, {"token": token})
    assert (await self_subject_access_review(kube, "list", PODS)).allowed
    async with await KubeClient.connect(path, user_agent="test") as nobody:
        assert not (await self_subject_access_review(nobody, "list", PODS)).allowed
        with pytest.raises(Forbidden, match="pods is forbidden"):
            await nobody.request("GET", PODS.path())
    await _create(kube, PODS, namespace, _pod("a"))
    with pytest.raises(Conflict):
        await _create(kube, PODS, namespace, _pod("a"))


async def test_token_reviews(kube: KubeClient, namespace: str) -> None:
    token = await _service_account_token(kube, namespace, "web", audiences=["identity.l5d.io"])
    verdict = await create_token_review(kube, token, ["identity.l5d.io"])
    assert verdict.authenticated
    assert verdict.error == ""
    assert verdict.user.username == f"system:serviceaccount:{namespace}:web"
    assert verdict.audiences == ("identity.l5d.io",)
    other = await create_token_review(kube, token, ["somebody.else"])
    assert not other.authenticated
    assert "token audiences" in other.error
    assert not (await create_token_review(kube, "garbage")).authenticated


async def test_a_rotated_token_is_picked_up(
    api_cluster: LocalCluster, kube: KubeClient, namespace: str, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("not a token")
    path = _kubeconfig_with(api_cluster.kubeconfig, tmp_path, {"tokenFile": str(file)})
    clock = ImpatientClock()
    async with await KubeClient.connect(path, user_agent="test", clock=clock) as client:
        with pytest.raises(Unauthorized):
            await self_subject_access_review(client, "list", PODS)
        file.write_text(await _service_account_token(kube, namespace, "web"))
        clock.skip(6)
        assert not (await self_subject_access_review(client, "list", PODS)).allowed


async def test_a_replaced_ca_is_picked_up(api_cluster: LocalCluster, tmp_path: Path) -> None:
    content = yaml.safe_load(api_cluster.kubeconfig.read_text())
    cluster = content["clusters"][0]["cluster"]
    right = base64.b64decode(cluster.pop("certificate-authority-data"))
    ca = Authority(tmp_path, "other").pair.certificate
    cluster["certificate-authority"] = str(ca)
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    async with await KubeClient.connect(path, user_agent="test") as client:
        ca.write_bytes(right)
        with pytest.raises(Unreachable, match="certificate"):
            await self_subject_access_review(client, "list", PODS)
        assert (await self_subject_access_review(client, "list", PODS)).allowed


async def _service_account_token(kube: KubeClient, namespace: str, name: str, **spec: Any) -> str:
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    await kube.request("POST", accounts, body=msgspec.json.encode({"metadata": {"name": name}}))
    body = msgspec.json.encode({"spec": spec})
    answer = await kube.request("POST", f"{accounts}/{name}/token", body=body)
    return str(json.loads(answer)["status"]["token"])


def _kubeconfig_with(kubeconfig: Path, directory: Path, user: dict[str, Any]) -> Path:
    content = yaml.safe_load(kubeconfig.read_text())
    content["users"][0]["user"] = user
    path = directory / "kubeconfig-of-user"
    path.write_text(yaml.safe_dump(content))
    return path


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
