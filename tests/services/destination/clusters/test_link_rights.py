"""A link whose credentials are older than what is asked of them: endpoints without owners."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from linkerd.kube.events import Applied
from linkerd.kube.objects import Secret
from linkerd.kube.reflector_metrics import ReflectorMetrics
from linkerd.local.cluster import LocalCluster
from linkerd.mesh.labels import (
    LINKED_CLUSTER_DOMAIN,
    LINKED_CLUSTER_NAME,
    LINKED_TRUST_DOMAIN,
    REMOTE_KUBECONFIG,
)
from services.destination.clusters import ClusterStore
from tests.support.connections import connections
from tests.support.destination.world import World
from tests.support.eventually import eventually
from tests.support.objects import meta
from tests.support.reflecting import ImpatientClock

pytestmark = pytest.mark.integration

_RBAC = "/apis/rbac.authorization.k8s.io/v1"


def rules(*slices: str) -> list[dict[str, Any]]:
    verbs = ["get", "list", "watch"]
    groups = {"": ["pods", "services"], "discovery.k8s.io": list(slices)}
    return [
        {"apiGroups": [group], "resources": resources, "verbs": verbs}
        for group, resources in groups.items()
    ]


@pytest.fixture
def account(
    api_cluster: LocalCluster, namespace: str, request: pytest.FixtureRequest
) -> Iterator[bytes]:
    """The kubeconfig of an account that may read what the parameter says, and pods and services."""
    with api_cluster.api() as api:
        accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        api.request("POST", accounts, {"metadata": {"name": "link"}})
        role = {"metadata": {"name": namespace}, "rules": rules(*request.param)}
        api.request("POST", f"{_RBAC}/clusterroles", role)
        subject = {"kind": "ServiceAccount", "name": "link", "namespace": namespace}
        reference = {"kind": "ClusterRole", "name": namespace}
        reference["apiGroup"] = "rbac.authorization.k8s.io"
        binding = {"metadata": {"name": namespace}, "subjects": [subject], "roleRef": reference}
        api.request("POST", f"{_RBAC}/clusterrolebindings", binding)
        token = api.request("POST", f"{accounts}/link/token", {"spec": {}})["status"]["token"]
        content = yaml.safe_load(Path(api_cluster.kubeconfig).read_text())
        content["users"][0]["user"] = {"token": token}
        yield yaml.safe_dump(content).encode()
        for plural in ("clusterrolebindings", "clusterroles"):
            api.request("DELETE", f"{_RBAC}/{plural}/{namespace}")


async def linked(kubeconfig: bytes, limit: timedelta) -> bool:
    """Whether the cluster is read within that time."""
    annotations = {LINKED_TRUST_DOMAIN: "trust.north.test", LINKED_CLUSTER_DOMAIN: "north.test"}
    metadata = meta(
        "link", "linkerd", labels={LINKED_CLUSTER_NAME: "north"}, annotations=annotations
    )
    before = connections()
    world, metrics = World(), ReflectorMetrics(CollectorRegistry())
    store = ClusterStore(world.index, "linkerd", clock=ImpatientClock(), metrics=metrics)
    store.on_secrets([Applied(Secret(metadata, REMOTE_KUBECONFIG, {"kubeconfig": kubeconfig}))])
    try:
        await store.settled(limit)
        return "north" in world.index.clusters.linked()
    finally:
        await store.close()
        await eventually(lambda: connections() <= before, "all connections being closed")


@pytest.mark.parametrize("account", [["endpointslices"]], indirect=True)
async def test_owners_and_servers_can_be_done_without(account: bytes) -> None:
    assert await linked(account, timedelta(seconds=30))


@pytest.mark.parametrize("account", [["nothing"]], indirect=True)
async def test_endpoints_cannot(account: bytes) -> None:
    assert not await linked(account, timedelta(seconds=1))
