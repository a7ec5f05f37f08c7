"""What tests write to an API server, through the client of the services."""

from typing import Any

import msgspec

from linkerd.kube.client import MERGE_PATCH, KubeClient
from linkerd.kube.resource import Resource


def idle_pod(name: str, **labels: str) -> dict[str, Any]:
    """A pod that nothing runs."""
    container = {"name": "app", "image": "none", "ports": [{"containerPort": 80, "name": "http"}]}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0, "nodeName": "nowhere"}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec}


async def create(
    client: KubeClient, resource: Resource[Any], namespace: str, document: dict[str, Any]
) -> None:
    """Make an object of this resource."""
    path = resource.path(namespace)
    await client.request("POST", path, body=msgspec.json.encode(document))


async def patch(client: KubeClient, path: str, document: dict[str, Any], suffix: str = "") -> None:
    """Merge the document into the object at `path`, or into a part of it such as `/status`."""
    body = msgspec.json.encode(document)
    await client.request("PATCH", path + suffix, body=body, content_type=MERGE_PATCH)


async def delete(client: KubeClient, path: str) -> None:
    """Delete the object at `path`, at once."""
    await client.request("DELETE", path, query={"gracePeriodSeconds": "0"})
