"""Facts from a real API server, and from peers that are none."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from linkerd.kube.client import KubeClient
from linkerd.local.cluster import LocalCluster
from services.heartbeat.cluster import ClusterFacts, read_cluster
from tests.support.recorder import Recorder, Reply, answer


@asynccontextmanager
async def _cluster(kubeconfig: Path, namespace: str, page_size: int) -> AsyncIterator[ClusterFacts]:
    client = await KubeClient.connect(kubeconfig, user_agent="test")
    try:
        yield ClusterFacts(client, namespace, 20.0, page_size)
    finally:
        await client.close()


def _kubeconfig(folder: Path, server: str) -> Path:
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [context],
        "current-context": "c",
    }
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(document))
    return file


async def _facts(folder: Path, reply: Reply, timeout: float = 20.0) -> dict[str, str]:
    """What is read from a server that answers everything so."""
    async with Recorder(reply) as server:
        return dict(await read_cluster(_kubeconfig(folder, server.url), "linkerd", timeout))


@pytest.mark.integration
@pytest.mark.parametrize("page_size", [1, 2, 500])
async def test_profiles_are_counted_across_pages(
    api_cluster: LocalCluster, control_plane: str, page_size: int
) -> None:
    with api_cluster.api() as api:
        for name in ("a", "b", "c"):
            api.request(
                "POST",
                f"/apis/linkerd.io/v1alpha2/namespaces/{control_plane}/serviceprofiles",
                {
                    "apiVersion": "linkerd.io/v1alpha2",
                    "kind": "ServiceProfile",
                    "metadata": {"name": f"{name}.svc"},
                    "spec": {"routes": []},
                },
            )
    async with _cluster(api_cluster.kubeconfig, control_plane, page_size) as cluster:
        counted = await cluster.service_profiles(control_plane)
    assert counted == {"service-profile-count": "3"}


@pytest.mark.integration
async def test_an_account_without_rights_learns_the_version_only(
    api_cluster: LocalCluster, control_plane: str, tmp_path: Path
) -> None:
    api_cluster.kubectl("create", "serviceaccount", "nobody", "-n", control_plane)
    token = api_cluster.kubectl("create", "token", "nobody", "-n", control_plane).strip()
    document = yaml.safe_load(api_cluster.kubeconfig.read_text())
    for user in document["users"]:
        user["user"] = {"token": token}
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(document))
    facts = await read_cluster(file, control_plane, 20.0)
    assert facts.keys() == {"k8s-version"}


async def test_a_server_away_costs_the_facts_only(tmp_path: Path) -> None:
    assert await read_cluster(_kubeconfig(tmp_path, "http://127.0.0.1:1"), "linkerd", 20.0) == {}


async def test_no_configuration_costs_the_facts_only(tmp_path: Path) -> None:
    assert await read_cluster(tmp_path / "nothing", "linkerd", 20.0) == {}


async def test_a_server_that_hangs_costs_the_facts_only(tmp_path: Path) -> None:
    async def hang(_request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    assert await _facts(tmp_path, hang, 0.2) == {}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff",
        b"[]",
        b"null",
        b"{}",
        b'{"metadata": null, "items": 3, "status": []}',
        b'{"metadata": {"uid": 7, "creationTimestamp": "yesterday"}, "gitVersion": 7}',
        b'{"items": [{"metadata": {"name": 3}}], "metadata": {}, "status": {"allowed": true}}',
        b"[" * 100_000,
    ],
)
async def test_answers_that_make_no_sense_cost_the_facts_only(tmp_path: Path, body: bytes) -> None:
    assert await _facts(tmp_path, answer(200, body)) == {}


async def test_a_missing_crd_costs_its_count_only(tmp_path: Path) -> None:
    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        documents = {
            "/version": {"gitVersion": "v1.35.4"},
            "/api/v1/namespaces": {"metadata": {}, "items": []},
            "/api/v1/namespaces/linkerd/configmaps/linkerd-config": {
                "metadata": {"uid": "u-1", "creationTimestamp": "2026-02-03T04:05:06Z"}
            },
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews": {"status": {"allowed": True}},
        }
        document = documents.get(request.path)
        return web.Response(status=200 if document else 404, text=json.dumps(document or {}))

    assert await _facts(tmp_path, serve) == {
        "k8s-version": "v1.35.4",
        "uuid": "u-1",
        "install-time": "1770091506",
    }


async def test_only_metadata_is_asked_for(tmp_path: Path) -> None:
    async with Recorder() as server:
        await read_cluster(_kubeconfig(tmp_path, server.url), "linkerd", 20.0)
    accepts = {
        request.target.partition("?")[0]: dict(request.headers)["Accept"]
        for request in server.requests
        if request.method == "GET"
    }
    assert accepts.pop("/version") == "application/json"
    assert len(accepts) == 2
    assert all("as=PartialObjectMetadata" in accept for accept in accepts.values())
