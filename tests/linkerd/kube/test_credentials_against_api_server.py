"""Who a client is to a real API server: permissions, reviews, tokens and CAs that change."""

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from linkerd.kube.client import KubeClient
from linkerd.kube.errors import Conflict, Forbidden, Unauthorized, Unreachable
from linkerd.kube.reviews import create_token_review, self_subject_access_review
from linkerd.local.certificates import Authority
from linkerd.local.cluster import LocalCluster
from tests.support.pods import PODS
from tests.support.reflecting import ImpatientClock
from tests.support.requests import create, idle_pod

pytestmark = pytest.mark.integration


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
    await create(kube, PODS, namespace, idle_pod("a"))
    with pytest.raises(Conflict):
        await create(kube, PODS, namespace, idle_pod("a"))


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
