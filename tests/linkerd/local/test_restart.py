"""What a restarted node makes of its last words before it was stopped."""

from collections.abc import Iterator
from typing import Any

import pytest

from linkerd.local.api import AdminApi
from linkerd.local.cluster import LocalCluster
from linkerd.local.credentials import NODE_NAME
from linkerd.local.kubelet import forget_readiness, is_node_ready

pytestmark = pytest.mark.integration

READY = {"type": "Ready", "status": "True"}


@pytest.fixture
def api(api_cluster: LocalCluster) -> Iterator[AdminApi]:
    with api_cluster.api() as api:
        yield api


@pytest.fixture
def node(api: AdminApi) -> Iterator[str]:
    path = f"/api/v1/nodes/{NODE_NAME}"
    manifest = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE_NAME}}
    api.request("POST", "/api/v1/nodes", manifest)
    set_ready(api, path)
    yield path
    api.request("DELETE", path)


def make_pod(api: AdminApi, namespace: str, name: str, node: str) -> str:
    spec = {"nodeName": node, "containers": [{"name": "c", "image": "i"}]}
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    api.request("POST", f"/api/v1/namespaces/{namespace}/pods", manifest)
    return f"/api/v1/namespaces/{namespace}/pods/{name}"


def set_ready(api: AdminApi, path: str) -> None:
    patch = {"status": {"conditions": [READY]}}
    api.request("PATCH", f"{path}/status", patch, kind="strategic-merge-patch+json")


def ready(api: AdminApi, path: str) -> Any:
    conditions = api.request("GET", path)["status"].get("conditions", ())
    return next((c["status"] for c in conditions if c["type"] == "Ready"), None)


def test_node_and_its_ready_pods_are_ready_no_more(
    api: AdminApi, namespace: str, node: str
) -> None:
    mine, new = (make_pod(api, namespace, name, NODE_NAME) for name in ("mine", "new"))
    elsewhere = make_pod(api, namespace, "elsewhere", "another")
    for pod in (mine, elsewhere):
        set_ready(api, pod)

    forget_readiness(api)

    assert ready(api, node) == "Unknown"
    assert not is_node_ready(api)
    assert [ready(api, pod) for pod in (mine, new, elsewhere)] == ["False", None, "True"]


def test_first_start_has_nothing_to_forget(api: AdminApi) -> None:
    forget_readiness(api)
    assert not is_node_ready(api)
