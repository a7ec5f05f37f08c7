"""Slices onto the API server.

An update is a merge patch of labels, endpoints and ports, of the version that it was planned from:
annotations, finalizers and whatever else others put on a slice stay as they are. Labels are the
Service's and ours; at an update others go, since nobody can tell them from ones that the Service
has lost.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from linkerd.kube.client import JSON, MERGE_PATCH, KubeClient
from linkerd.kube.decode import ObjectDecoder
from linkerd.kube.errors import Forbidden, NotFound, ProtocolError
from linkerd.kube.objects import Endpoint, EndpointPort, EndpointSlice
from linkerd.kube.resource import ENDPOINT_SLICES
from linkerd.mesh.labels import SERVICE_NAME
from services.destination.workloads.plan import Update

_TIMEOUT: Final = 10.0  # seconds for one write
_ENDING: Final = "because it is being terminated"


class NamespaceEndingError(Exception):
    """The namespace is being deleted: nothing can be created in it, and nothing needs to be."""


class SliceWriter:
    """The three writes. All raise KubeError."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._decoder = ObjectDecoder(EndpointSlice)

    async def create(self, slice_: EndpointSlice) -> EndpointSlice:
        """Creates it under a new name. Raises NamespaceEndingError too."""
        path = ENDPOINT_SLICES.path(slice_.metadata.namespace)
        try:
            answer = await self._send("POST", path, _document(slice_), JSON)
        except Forbidden as error:
            if _ENDING in error.message:
                raise NamespaceEndingError(error.message) from error
            raise
        return self._decode(answer)

    async def update(self, update: Update) -> EndpointSlice:
        """Makes the slice what it shall be. Raises Conflict if it is no longer what it was."""
        before, after = update
        body = {
            "metadata": {
                "resourceVersion": before.metadata.resource_version,
                "labels": _label_patch(before.metadata.labels, after.metadata.labels),
            },
            **_content(after),
        }
        return self._decode(await self._send("PATCH", _path(before), body, MERGE_PATCH))

    async def delete(self, slice_: EndpointSlice) -> None:
        """Deletes it, if it is still the one that we know. One that is gone is deleted."""
        metadata = slice_.metadata
        conditions = {"uid": metadata.uid, "resourceVersion": metadata.resource_version}
        with suppress(NotFound):
            await self._send("DELETE", _path(slice_), {"preconditions": conditions}, JSON)

    async def _send(
        self, method: str, path: str, body: Mapping[str, Any], content_type: str
    ) -> bytes:
        return await self._client.request(
            method,
            path,
            body=msgspec.json.encode(body),
            content_type=content_type,
            timeout=_TIMEOUT,
        )

    def _decode(self, answer: bytes) -> EndpointSlice:
        slice_ = self._decoder.decode(answer)
        if not isinstance(slice_, EndpointSlice):
            raise ProtocolError(f"not an EndpointSlice: {slice_.problem}")
        return slice_


def _path(slice_: EndpointSlice) -> str:
    return ENDPOINT_SLICES.path(*slice_.metadata.key)


def _label_patch(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str | None]:
    return {**dict.fromkeys(before.keys() - after.keys()), **after}


def _document(slice_: EndpointSlice) -> dict[str, Any]:
    metadata = slice_.metadata
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": f"linkerd-external-{metadata.labels[SERVICE_NAME]}-",
            "namespace": metadata.namespace,
            "labels": metadata.labels,
            "ownerReferences": metadata.owner_references,
        },
        "addressType": slice_.address_type,
        **_content(slice_),
    }


def _content(slice_: EndpointSlice) -> dict[str, Any]:
    return {
        "endpoints": [_endpoint(each) for each in slice_.endpoints],
        "ports": [_port(each) for each in slice_.ports],
    }


def _port(port: EndpointPort) -> dict[str, Any]:
    name = {"name": port.name} if port.name else {}
    return {**name, "port": port.port, "protocol": port.protocol}


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    """As JSON, without what is not set."""
    fields = {
        "addresses": endpoint.addresses,
        "conditions": endpoint.conditions,
        "hostname": endpoint.hostname,
        "zone": endpoint.zone,
        "targetRef": endpoint.target_ref,
    }
    return {name: value for name, value in fields.items() if value is not None}
