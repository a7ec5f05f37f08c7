"""The cluster that is looked at: a client that connects when it is first used."""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, Final, Self, TypeVar

import msgspec

from linkerd.kube.access import Access
from linkerd.kube.client import KubeClient
from linkerd.kube.decode import Malformed, ObjectDecoder
from linkerd.kube.errors import NotFound, ProtocolError
from linkerd.kube.lists import Lister
from linkerd.kube.objects import KubeObject
from linkerd.kube.resource import PODS, Resource

T = TypeVar("T", bound=KubeObject)

Object = dict[str, Any]
"""A Kubernetes object as JSON has it."""

_SECONDS: Final = 30.0


class Cluster:
    """Reads objects of one cluster; `namespace` is the control plane's. End with `async with`."""

    def __init__(self, access: Access, namespace: str, *, seconds: float = _SECONDS) -> None:
        """`seconds` is how long an answer may take."""
        self.namespace = namespace
        self._access = access
        self._seconds = seconds
        self._client: KubeClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.close()

    async def connect(self) -> KubeClient:
        """The client. Sends nothing. Raises KubeError when there is no configuration."""
        if self._client is None:
            self._client = await KubeClient.reach(self._access, user_agent="linkerd-cli")
        return self._client

    async def text(self, path: str) -> str:
        """What the server answers at `path`. Raises KubeError."""
        client = await self.connect()
        body = await client.request("GET", path, accept="*/*", timeout=self._seconds)
        return body.decode(errors="replace")

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Object:
        """The object at `path`. Raises KubeError."""
        client = await self.connect()
        body = await client.request("GET", path, query=query, timeout=self._seconds)
        try:
            return msgspec.json.decode(body, type=Object)
        except msgspec.MsgspecError as error:
            raise ProtocolError(
                f"GET {path}: the answer is no JSON object; is an API server there?"
            ) from error

    async def find(self, path: str) -> Object | None:
        """The object at `path`, or None. Raises KubeError."""
        try:
            return await self.get(path)
        except NotFound:
            return None

    async def own(self, plural: str, name: str, root: str = "/api/v1") -> Object | None:
        """An object of the control plane's namespace, or None."""
        return await self.find(f"{root}/namespaces/{self.namespace}/{plural}/{name}")

    async def pods(self, namespace: str = "", selector: str = "") -> AsyncIterator[Object]:
        """Pods of one namespace, or of all, that the label selector picks. Raises KubeError."""
        pods = PODS.narrowed(namespace, labels=selector)
        lister = Lister(await self.connect(), pods, timeout=self._seconds)
        async with aclosing(lister.pages()) as pages:
            async for page in pages:
                for pod in page.items or ():
                    yield msgspec.json.decode(pod, type=Object)

    async def listed(self, resource: Resource[T]) -> tuple[list[T], list[Malformed]]:
        """The objects of a resource, in the best version that the server has, and those that
        cannot be read; none where the kind is not there. Raises KubeError."""
        client = await self.connect()
        decode = ObjectDecoder(resource.struct).decode
        for version in resource.versions:
            lister = Lister(client, resource, timeout=self._seconds)
            found: list[T | Malformed] = []
            try:
                async with aclosing(lister.pages(version)) as pages:
                    async for page in pages:
                        found += map(decode, page.items or ())
            except NotFound:
                continue
            return (
                [each for each in found if not isinstance(each, Malformed)],
                [each for each in found if isinstance(each, Malformed)],
            )
        return [], []
