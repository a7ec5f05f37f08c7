"""Objects that a real API server takes and that no decoder likes."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from linkerd.kube.client import JSON, KubeClient
from linkerd.kube.objects import Key, ServiceProfile
from linkerd.kube.resource import Resource
from tests.support.reflecting import reflecting
from tests.support.requests import delete, patch

pytestmark = pytest.mark.integration


async def test_deep_and_malformed_objects_spoil_only_themselves(
    kube: KubeClient, namespace: str
) -> None:
    group = f"{namespace}.example.org"
    things = Resource(group=group, plural="things", kind="Thing", struct=ServiceProfile)
    await kube.request("POST", _CRDS, body=msgspec.json.encode(_crd(group)))
    try:
        await _until_served(kube, things, namespace)
        deep = b'{"not":' * 3000 + b"{}" + b"}" * 3000
        await _create_thing(
            kube, things, namespace, "deep", b'{"routes":[{"condition":%b}]}' % deep
        )
        await _create_thing(kube, things, namespace, "wrong", b'{"routes":"banana"}')
        await _create_thing(kube, things, namespace, "good", b'{"routes":[{"name":"r"}]}')
        async with reflecting(kube, things.narrowed(namespace)) as follower:
            await follower.reflector.wait_synced()
            assert follower.names == ["good"]
            mended = {"spec": {"routes": [{"name": "mended"}]}}
            await patch(kube, things.path(namespace, "wrong"), mended)
            await patch(kube, things.path(namespace, "deep"), mended)
            await follower.until(lambda f: f.names == ["deep", "good", "wrong"])
            wrong = {"spec": {"routes": [{"name": 5}]}}
            await patch(kube, things.path(namespace, "good"), wrong)
            await _create_thing(kube, things, namespace, "last", b"{}")
            await follower.until(lambda f: "last" in f.names)
            assert follower.replayed[Key(namespace, "good")].spec.routes[0].name == "r"
            await delete(kube, things.path(namespace, "good"))
            await follower.until(lambda f: "good" not in f.names)
    finally:
        await delete(kube, f"{_CRDS}/things.{group}")


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
    async with reflecting(kube, things.narrowed(namespace)) as follower:
        async with asyncio.timeout(30):
            await follower.reflector.wait_synced()


async def _create_thing(
    kube: KubeClient, things: Resource[Any], namespace: str, name: str, spec: bytes
) -> None:
    head = json.dumps({"apiVersion": f"{things.group}/v1", "kind": "Thing"}).encode()[:-1]
    body = head + b',"metadata":{"name":"%b"},"spec":%b}' % (name.encode(), spec)
    await kube.request("POST", things.path(namespace), body=body, content_type=JSON)
