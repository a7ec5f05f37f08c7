"""A cluster that does not know the kinds that policy is written in, and learns of them."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from linkerd.local.cluster import LocalCluster
from tests.support.cluster import define
from tests.support.policy.program import Client, Objects, connect, start

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

SERVER = {"group": "policy.linkerd.io", "kind": "Server", "name": "web"}
SERVICE = {"group": "core", "kind": "Service", "name": "web", "port": 80}


async def test_kinds_that_come_later_count(own_api_cluster: LocalCluster) -> None:
    """Without any, ports and services have their defaults; each is taken up when its definition
    comes, by streams that are open, without a restart."""
    with own_api_cluster.api() as api:
        api.request("POST", "/api/v1/namespaces", {"metadata": {"name": "fin"}})
        objects = Objects(api, "fin")
        objects.pod("web")
        objects.create("services", "web", {"ports": [{"name": "http", "port": 80}]})
        with start(own_api_cluster.kubeconfig) as program:
            await asyncio.to_thread(program.event, "ready")
            async with connect(program, "fin") as client:
                await _follow_what_comes(own_api_cluster, objects, client)
        assert "Traceback" not in program.log


async def _follow_what_comes(cluster: LocalCluster, objects: Objects, client: Client) -> None:
    port, service = await client.known_port("web", 8080), client.service("web", 80)
    await port.until(lambda told: told.labels["kind"] == "default")
    await service.until(
        lambda told: told.protocol.detect.http1.routes[0].metadata.default == "http"
    )

    await asyncio.to_thread(define, cluster, "deploy/base/crds")
    objects.create("servers", "web", {"port": 8080, "podSelector": {}})
    await port.until(lambda told: told.labels["kind"] == "server")

    await asyncio.to_thread(define, cluster, "deploy/components/gateway-api")
    objects.create("gatewayhttproutes", "books", {"parentRefs": [SERVER, SERVICE]})
    objects.accept("gatewayhttproutes", "books", SERVER, SERVICE)

    def has_books(routes: Sequence[Any]) -> bool:
        return [route.metadata.resource.name for route in routes] == ["books"]

    await port.until(lambda told: has_books(told.protocol.detect.http_routes))
    await service.until(lambda told: has_books(told.protocol.detect.http1.routes))
    assert (port.code, service.code) == (None, None)
