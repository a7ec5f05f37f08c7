"""What an API server keeps and answers, in memory, with the failures that a test orders.

`test_store.py` asks the same of it and of a real one.
"""

import asyncio
import copy
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from linkerd.kube.client import JSON, MERGE_PATCH
from linkerd.kube.errors import ApiError, Unreachable
from linkerd.kube.objects import Key
from linkerd.kube.resource import Resource
from linkerd.runtime.clock import Clock
from tests.support.merge_patch import merged

Document = dict[str, Any]

FAULTS: Final = ("refused", "forbidden", "error", "deaf", "stalled", "mute", "late")
"""What may happen to a request: the server is away, says no, or breaks; it acts and the connection
breaks; it does not answer, before or after it has acted; it answers a second after it has acted."""


@dataclass(frozen=True, slots=True)
class Change:
    """A line of a watch."""

    kind: str
    document: Document
    deleted: bool


@dataclass(frozen=True, slots=True)
class Written:
    """A write that was carried out by way of `request`."""

    method: str
    kind: str
    key: Key


class Store:
    """Objects of some resources; `request` as KubeClient has it. The rest is for the test."""

    def __init__(self, clock: Clock, *resources: Resource[Any]) -> None:
        self._clock = clock
        self._resources = {each.path(): each for each in resources}
        self.objects: dict[tuple[str, Key], Document] = {}
        self.changes: list[Change] = []
        self.faults: deque[str] = deque()  # of coming requests
        self.written: list[Written] = []
        self.conflicts = 0
        self.pointless = 0  # writes that changed nothing
        self._version = 0
        self._uids = 0

    def of(self, resource: Resource[Any]) -> list[Document]:
        """All objects of a kind."""
        return [each for (kind, _), each in self.objects.items() if kind == resource.kind]

    def put(self, resource: Resource[Any], document: Document) -> None:
        """Somebody creates an object, or makes it this one; labels and all."""
        metadata = document["metadata"]
        at = resource.kind, Key(metadata["namespace"], metadata["name"])
        old = self.objects.get(at)
        kept = {"uid": old["metadata"]["uid"]} if old else {"uid": self._uid()}
        self._keep(at, {**document, "metadata": {**metadata, **kept}})

    def patch(self, resource: Resource[Any], key: Key, document: Document) -> None:
        """Somebody changes an object, if it is there."""
        at = resource.kind, key
        if at in self.objects:
            self._keep(at, merged(self.objects[at], document))

    def remove(self, resource: Resource[Any], key: Key) -> None:
        """Somebody deletes an object, if it is there; what it owns goes with it."""
        gone = self.objects.pop((resource.kind, key), None)
        if gone is None:
            return
        self._version += 1
        self.changes.append(Change(resource.kind, gone, deleted=True))
        for kind, other in list(self.objects):
            owners = self.objects[kind, other]["metadata"].get("ownerReferences", ())
            if any(owner["uid"] == gone["metadata"]["uid"] for owner in owners):
                self.changes.append(Change(kind, self.objects.pop((kind, other)), deleted=True))

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = JSON,
        timeout: float = 30.0,
    ) -> bytes:
        """A write, or what comes of it today. A `query` changes nothing."""
        fault = self.faults.popleft() if self.faults else ""
        await asyncio.sleep(0)
        match fault:
            case "refused":
                raise Unreachable("refused")
            case "forbidden" | "error":
                raise ApiError.of(403 if fault == "forbidden" else 500, fault, "not today")
            case "stalled":
                await self._clock.sleep(timeout)
                raise Unreachable("no answer")
        answer = self._answer(method, path, json.loads(body or b"{}"), content_type)
        await asyncio.sleep(0)
        if fault in ("mute", "late"):
            await self._clock.sleep(timeout if fault == "mute" else 1.0)
        if fault in ("deaf", "mute"):
            raise Unreachable("no answer")
        return json.dumps(answer).encode()

    def _answer(self, method: str, path: str, body: Document, content_type: str) -> Document:
        resource, key, part = self._find(path)
        at = resource.kind, key
        match method:
            case "POST":
                return self._create(resource, key.namespace, body)
            case "PATCH":
                assert content_type == MERGE_PATCH
                old = self._existing(at)
                self._compare(old, body["metadata"])
                new = merged(old, {part: body[part]} if part else body)
                if new == old:
                    self.pointless += 1
                    return old
                self.written.append(Written(method, *at))
                return self._keep(at, new)
            case "DELETE":
                self._compare(self._existing(at), body["preconditions"])
                self.written.append(Written(method, *at))
                self.remove(resource, key)
                return {}
        raise AssertionError(f"{method} {path}")

    def _create(self, resource: Resource[Any], namespace: str, body: Document) -> Document:
        metadata = dict(body["metadata"])
        prefix = metadata.pop("generateName", "")
        metadata.setdefault("name", f"{prefix}{self._uids:05}")
        key = Key(namespace, metadata["name"])
        if (resource.kind, key) in self.objects:
            self.conflicts += 1
            raise ApiError.of(409, "AlreadyExists", f"{key} already exists")
        self.written.append(Written("POST", resource.kind, key))
        return self._keep(
            (resource.kind, key), {**body, "metadata": {**metadata, "uid": self._uid()}}
        )

    def _find(self, path: str) -> tuple[Resource[Any], Key, str]:
        """The resource, namespace and name, and the part of the object that is meant; the name is
        empty for a collection, and the part for a whole object."""
        root, _, rest = path.partition("/namespaces/")
        namespace, plural, *more = rest.split("/")
        resource = self._resources.get(f"{root}/{plural}")
        if resource is None:
            raise ApiError.of(404, "Unknown", "404 page not found")
        name, part = [*more, "", ""][:2]
        return resource, Key(namespace, unquote(name)), part

    def _existing(self, at: tuple[str, Key]) -> Document:
        if at not in self.objects:
            raise ApiError.of(404, "NotFound", f"{at} not found")
        return self.objects[at]

    def _compare(self, now: Document, conditions: Document) -> None:
        metadata = now["metadata"]
        names = [name for name in ("uid", "resourceVersion") if name in conditions]
        if any(metadata[name] != conditions[name] for name in names):
            self.conflicts += 1
            raise ApiError.of(409, "Conflict", "the object has been modified")

    def _keep(self, at: tuple[str, Key], document: Document) -> Document:
        self._version += 1
        kept: Document = copy.deepcopy(document)
        kept["metadata"]["resourceVersion"] = str(self._version)
        self.objects[at] = kept
        self.changes.append(Change(at[0], kept, deleted=False))
        return kept

    def _uid(self) -> str:
        self._uids += 1
        return f"uid-{self._uids}"
