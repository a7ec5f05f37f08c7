"""The program with EndpointSlices off, beside a real API server."""

import asyncio

import pytest

from linkerd.local.cluster import LocalCluster
from tests.support.destination.program import Objects, connect, start

pytestmark = pytest.mark.integration

FLAGS = ("--enable-endpoint-slices=false", "--enable-ipv6=false")


def subset(*ips: str) -> dict[str, object]:
    """Pods are called by their IPs' last parts."""
    pods = [{"kind": "Pod", "name": f"p{ip.rpartition('.')[2]}", "namespace": None} for ip in ips]
    addresses = [{"ip": ip, "targetRef": pod} for ip, pod in zip(ips, pods, strict=True)]
    return {"addresses": addresses, "ports": [{"name": "http", "port": 8080}]}


async def test_endpoints_objects_count_and_slices_do_not(
    api_cluster: LocalCluster, objects: Objects
) -> None:
    authority = objects.ledger("10.4.0.7", "10.4.0.8")  # both in a slice
    path = f"/api/v1/namespaces/{objects.namespace}/endpoints/ledger"
    objects.create("endpoints", {"metadata": {"name": "ledger"}, "subsets": [subset("10.4.0.7")]})
    with start(api_cluster.kubeconfig, *FLAGS) as program:
        await asyncio.to_thread(program.event, "ready")
        async with connect(program) as client:
            stream = client.get(authority)
            await stream.until("10.4.0.7")
            both = subset("10.4.0.7", "10.4.0.8")
            objects.api.request("PATCH", path, {"subsets": [both]}, kind="merge-patch+json")
            await stream.until("10.4.0.7", "10.4.0.8")
            pods = [item.metric_labels["pod"] for item in stream.messages[-1][1].add.addrs]
            assert pods == ["p8"]
            objects.api.request("DELETE", path)
            await stream.until()
        assert program.terminate() == 0
