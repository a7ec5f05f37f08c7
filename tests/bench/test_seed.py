"""Seeding a real API server: complete, repeatable, and flips that come undone."""

import asyncio
import json

import pytest

from bench import dataset, seed
from bench.dataset import Shape
from bench.seed import Fan
from linkerd.kube.client import KubeClient
from linkerd.local.cluster import LocalCluster

pytestmark = pytest.mark.integration

SMALL = Shape(namespaces=1, services_per_namespace=2, pods_per_service=3, nodes=2, fans=(4,))


async def _list(client: KubeClient, path: str) -> list[dataset.Json]:
    items: list[dataset.Json] = json.loads(await client.request("GET", path))["items"]
    return items


async def _readiness(client: KubeClient) -> list[bool]:
    path = "/apis/discovery.k8s.io/v1/namespaces/bench-00/endpointslices/fan-4-000"
    found = json.loads(await client.request("GET", path))
    return [endpoint["conditions"]["ready"] for endpoint in found["endpoints"]]


async def test_a_dataset_is_written_once_and_endpoints_flip(own_api_cluster: LocalCluster) -> None:
    client = await KubeClient.connect(own_api_cluster.kubeconfig, user_agent="test")
    try:
        # two at once: whatever one of them has written is not the other's failure
        written = await asyncio.gather(seed.seed(client, SMALL), seed.seed(client, SMALL))
        assert len(set(written)) == 1
        assert written[0] == 1 + 1 + 2 + 3 + 2 + 3 + 6, "definitions are not counted"
        assert await seed.seed(client, SMALL) == 0
        pods = await _list(client, "/api/v1/pods")
        assert {pod["status"]["podIP"] for pod in pods} == {dataset.address(n) for n in range(6)}
        assert len(await _list(client, "/api/v1/namespaces/bench-00/services")) == 3

        fan = Fan(client, 4)
        await fan.flip(2)
        assert await _readiness(client) == [False, False, True, True]
        await fan.flip(2)
        assert await _readiness(client) == [True] * 4
        await fan.flip(3)
        await fan.restore()
        assert await _readiness(client) == [True] * 4

        with pytest.raises(seed.OtherDatasetError, match="remove its state directory"):
            await seed.seed(client, Shape())
    finally:
        await client.close()
