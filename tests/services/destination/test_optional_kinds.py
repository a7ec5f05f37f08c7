"""Kinds whose definition a cluster may have or not, beside a real API server. Ids of the catalogue:
T20, T30, T66."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from linkerd.local.cluster import LocalCluster
from linkerd.stubs.proxy import destination_pb2 as pb
from tests.support.destination.program import ROOT, Objects, connect, known, start
from tests.support.program import Program

pytestmark = pytest.mark.integration

PROFILE = """
apiVersion: linkerd.io/v1alpha2
kind: ServiceProfile
metadata: {name: ledger.fin.svc.cluster.local, namespace: fin}
spec: {routes: [{name: list, condition: {pathRegex: /v1/items}}]}
"""
METAL: dict[str, Any] = {
    "apiVersion": "workload.linkerd.io/v1beta1",
    "kind": "ExternalWorkload",
    "metadata": {"name": "p40"},
    "spec": {
        "meshTLS": {"identity": "spiffe://cluster.local/p40", "serverName": "p40.metal.test"},
        "workloadIPs": [{"ip": "192.0.2.40"}],
        "ports": [{"port": 8080}, {"name": "linkerd-proxy", "port": 7143}],
    },
}
SPLITS = "split.smi-spec.io"


def split_definition(*served: str) -> str:
    """SMI's definition of TrafficSplits, stored as v1alpha1, of which some versions are served."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    versions = [
        {
            "name": version,
            "served": version in served,
            "storage": version == "v1alpha1",
            "schema": {"openAPIV3Schema": schema},
        }
        for version in ("v1alpha1", "v1alpha2")
    ]
    manifest = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"trafficsplits.{SPLITS}"},
        "spec": {
            "group": SPLITS,
            "names": {"kind": "TrafficSplit", "plural": "trafficsplits"},
            "scope": "Namespaced",
            "versions": versions,
        },
    }
    return json.dumps(manifest)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """An API server that knows these kinds, and a namespace `fin`; the other tests go without."""
    cluster = LocalCluster(tmp_path_factory.mktemp("own") / "cluster", api_only=True)
    try:
        cluster.up()
        for plural in ("serviceprofiles", "externalworkloads"):
            definition = str(ROOT / f"deploy/base/crds/{plural}.yaml")
            cluster.kubectl("apply", "-f", definition)
            cluster.kubectl("wait", "--for=condition=Established", "-f", definition)
        cluster.kubectl("create", "namespace", "fin")
        yield cluster
    finally:
        cluster.down(delete=True)


@pytest.fixture(scope="module")
def program(cluster: LocalCluster) -> Iterator[Program]:
    with start(cluster.kubeconfig) as running:
        running.event("ready")
        yield running


@pytest.fixture
def objects(cluster: LocalCluster) -> Iterator[Objects]:
    with cluster.api() as api:
        yield Objects(api, "fin")


async def test_t20_routes_of_a_service(
    cluster: LocalCluster, program: Program, objects: Objects
) -> None:
    authority = objects.ledger()
    async with connect(program) as client:
        profiles = client.profiles(await known(client, authority))
        assert not (await anext(profiles)).routes
        cluster.kubectl("apply", "-f", "-", stdin=PROFILE)
        (route,) = (await anext(profiles)).routes
        assert route.metrics_labels["route"] == "list"
        assert route.condition.path.regex == "/v1/items"


async def test_routes_that_proxies_would_widen(program: Program, objects: Objects) -> None:
    """One has a path that no proxy compiles; then the object has a field that nobody knows, which
    the API server keeps below the first level, and what was known before stays."""
    objects.service("vault")
    name = "vault.fin.svc.cluster.local"

    def profile(route: str, condition: Any) -> dict[str, Any]:
        routes = [
            {"name": "list", "condition": {"method": "GET"}},
            {"name": route, "condition": condition, "isRetryable": True},
        ]
        manifest = {"apiVersion": "linkerd.io/v1alpha2", "kind": "ServiceProfile"}
        return manifest | {"metadata": {"name": name}, "spec": {"routes": routes}}

    def named(message: pb.DestinationProfile) -> list[str]:
        return [route.metrics_labels["route"] for route in message.routes]

    path = f"/apis/linkerd.io/v1alpha2/namespaces/fin/serviceprofiles/{name}"
    async with connect(program) as client:
        profiles = client.profiles(await known(client, f"{name}:8080"))
        assert named(await anext(profiles)) == []
        objects.api.apply(path, profile("pay", {"method": "POST", "pathRegex": "/pay/{id}"}))
        assert named(await anext(profiles)) == ["list"]
        unknown = {"all": [{"method": "POST", "header": "x"}]}
        objects.api.apply(path, profile("odd", unknown))
        objects.api.apply(path, profile("post", {"all": [{"method": "POST"}]}))
        assert named(await anext(profiles)) == ["list", "post"]


async def test_t30_t66_a_machine_outside_the_cluster(program: Program, objects: Objects) -> None:
    objects.service("metal")
    authority = "metal.fin.svc.cluster.local:8080"
    async with connect(program) as client:
        stream = client.get(await known(client, authority))
        objects.slice("metal-1", "metal", ["192.0.2.40"], kind="ExternalWorkload")
        objects.create("externalworkloads", METAL, group="/apis/workload.linkerd.io/v1beta1")
        await stream.until("192.0.2.40")
        address = stream.messages[-1][1].add.addrs[0]
        assert address.tls_identity.uri_like_identity.uri == "spiffe://cluster.local/p40"
        assert address.protocol_hint.opaque_transport.inbound_port == 7143
        profile = await anext(client.profiles("192.0.2.40:8080"))
        assert profile.endpoint.metric_labels["external_workload"] == "p40"
        undeclared = await anext(client.profiles("192.0.2.40:9"))
        assert not undeclared.HasField("endpoint")


async def test_a_split_in_whichever_version_the_cluster_has(
    cluster: LocalCluster, objects: Objects
) -> None:
    def split(version: str, *weights: Any) -> None:
        backends = [{"service": f"web-{n}", "weight": w} for n, w in enumerate(weights)]
        manifest = {
            "apiVersion": f"{SPLITS}/{version}",
            "kind": "TrafficSplit",
            "metadata": {"name": "web", "namespace": "fin"},
            "spec": {"service": "web", "backends": backends},
        }
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))

    def define(*served: str) -> None:
        cluster.kubectl("apply", "-f", "-", stdin=split_definition(*served))
        name = f"crd/trafficsplits.{SPLITS}"
        cluster.kubectl("wait", "--for=condition=Established", name)

    define("v1alpha1", "v1alpha2")
    objects.service("web")
    split("v1alpha1", "900m", "100m")
    with start(cluster.kubeconfig) as program:
        await asyncio.to_thread(program.event, "ready")
        async with connect(program) as client:
            profiles = client.profiles("web.fin.svc.cluster.local:8080")
            assert shares(await anext(profiles)) == [9_000, 1_000]
            define("v1alpha2")
            split("v1alpha2", 3, 1)
            assert shares(await anext(profiles)) == [30_000, 10_000]
            cluster.kubectl("delete", "trafficsplits.v1alpha2.split.smi-spec.io", "web", "-n=fin")
            assert shares(await anext(profiles)) == []


def shares(profile: pb.DestinationProfile) -> list[int]:
    names = [f"web-{n}.fin.svc.cluster.local:8080" for n in range(len(profile.dst_overrides))]
    assert [item.authority for item in profile.dst_overrides] == names
    return [item.weight for item in profile.dst_overrides]
