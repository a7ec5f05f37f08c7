"""Writes to the API server, each refused unless the object is what it was planned from.

There is no PUT: what is cached is trimmed to the fields that somebody reads, and writing that back
would take the others away. A merge patch (RFC 7396) changes what it names.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from linkerd.kube.client import JSON, MERGE_PATCH
from linkerd.kube.decode import Malformed, ObjectDecoder
from linkerd.kube.errors import GONE, Conflict, Forbidden, NotFound, ProtocolError
from linkerd.kube.objects import KubeObject, ObjectMeta, PartialObject
from linkerd.kube.resource import Resource

Document: TypeAlias = Mapping[str, Any]
"""JSON, as values that msgspec encodes."""

_TIMEOUT: Final = 10.0  # seconds for one write
_ENDING: Final = "because it is being terminated"
_METADATA: Final = ObjectDecoder(PartialObject)


class OutdatedError(Exception):
    """The object is not what the write was planned from: the cache is behind the server."""


class NamespaceEndingError(Exception):
    """The namespace is being deleted: nothing can be created in it, and nothing needs to be."""


@dataclass(frozen=True, slots=True)
class Create:
    """A new object. `document` has all of it but apiVersion and kind; its metadata has a namespace,
    unless it belongs to the cluster, and a name or generateName."""

    resource: Resource[Any]
    document: Document

    operation = "create"


@dataclass(frozen=True, slots=True)
class Patch:
    """A merge patch of the object as it is cached, or of its `subresource` ("status"). One that is
    empty is not sent."""

    resource: Resource[Any]
    before: KubeObject
    document: Document
    subresource: str = ""

    operation = "update"


@dataclass(frozen=True, slots=True)
class Delete:
    """The end of the object as it is cached."""

    resource: Resource[Any]
    before: KubeObject

    operation = "delete"


Write: TypeAlias = Create | Patch | Delete


def difference(before: Document, after: Document) -> dict[str, Any]:
    """The merge patch that makes `before` into `after`: empty when they are the same. Lists are
    replaced as a whole, and nothing in `after` may be null."""
    patch: dict[str, Any] = dict.fromkeys(before.keys() - after.keys())
    for name, new in after.items():
        old = before.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            if inner := difference(old, new):
                patch[name] = inner
        elif name not in before or old != new:
            patch[name] = new
    return patch


class Client(Protocol):
    """What is needed of a KubeClient."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        content_type: str = JSON,
        timeout: float = 30.0,
    ) -> bytes:
        """The whole answer's body. Raises KubeError."""


class Writer:
    """Sends writes. `send` raises KubeError, OutdatedError or NamespaceEndingError."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._served: dict[Resource[Any], str] = {}  # the version that a write reached last

    async def send(self, write: Write) -> ObjectMeta | None:
        """Carries out a write: the metadata of what is there now, None after a deletion."""
        try:
            match write:
                case Create():
                    return await self._create(write)
                case Patch():
                    return await self._patch(write)
                case Delete():
                    await self._delete(write)
                    return None
        except Conflict as error:
            raise OutdatedError(str(error)) from error

    async def _create(self, write: Create) -> ObjectMeta:
        resource = write.resource
        group = f"{resource.group}/" if resource.group else ""
        head = {"apiVersion": f"{group}{resource.version}", "kind": resource.kind}
        path = resource.path(write.document["metadata"].get("namespace"))
        try:
            return await self._send("POST", path, {**head, **write.document}, JSON)
        except Forbidden as error:
            if _ENDING in error.message:
                raise NamespaceEndingError(error.message) from error
            raise

    async def _patch(self, write: Patch) -> ObjectMeta:
        """Under the versions that the resource may be served in, first the one that worked
        last."""
        resource = write.resource
        last = self._served.get(resource, resource.version)
        missing: NotFound | None = None
        for version in (last, *(each for each in resource.versions if each != last)):
            try:
                made = await self._patch_in(version, write)
            except NotFound as error:
                missing = error
                if error.reason == GONE:
                    break
            else:
                self._served[resource] = version
                return made
        raise OutdatedError(str(missing)) from missing

    async def _patch_in(self, version: str, write: Patch) -> ObjectMeta:
        metadata = write.before.metadata
        path = write.resource.path(*metadata.key, version=version)
        if write.subresource:
            path = f"{path}/{write.subresource}"
        change = write.document.get("metadata", {})
        body = {
            **write.document,
            "metadata": {**change, "resourceVersion": metadata.resource_version},
        }
        return await self._send("PATCH", path, body, MERGE_PATCH)

    async def _delete(self, write: Delete) -> None:
        """What is gone already is deleted."""
        metadata = write.before.metadata
        conditions = {"uid": metadata.uid, "resourceVersion": metadata.resource_version}
        body = msgspec.json.encode({"preconditions": conditions})
        path = write.resource.path(*metadata.key)
        with suppress(NotFound):
            await self._client.request("DELETE", path, body=body, timeout=_TIMEOUT)

    async def _send(self, method: str, path: str, body: Document, content_type: str) -> ObjectMeta:
        answer = await self._client.request(
            method,
            path,
            body=msgspec.json.encode(body),
            content_type=content_type,
            timeout=_TIMEOUT,
        )
        made = _METADATA.decode(answer)
        if isinstance(made, Malformed):
            raise ProtocolError(f"{method} {path}: answered with no object: {made.problem}")
        return made.metadata
