"""Facts from the API server. What cannot be had is logged and left out.

Only metadata is asked for: the ConfigMap's values, for instance, never come here.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from linkerd.kube.client import JSON, KubeClient
from linkerd.kube.decode import Malformed, ObjectDecoder
from linkerd.kube.errors import ConfigError, KubeError, ProtocolError
from linkerd.kube.lists import Lister
from linkerd.kube.objects import ObjectMeta, PartialObject
from linkerd.kube.resource import CONFIG_MAPS, NAMESPACES, SERVICE_PROFILES, Resource
from linkerd.kube.reviews import self_subject_access_review
from linkerd.mesh.labels import EXTENSION
from linkerd.runtime.logs import get_logger
from linkerd.version import VERSION
from services.heartbeat.model import (
    EXTENSION_PREFIX,
    INSTALL_TIME,
    KUBERNETES_VERSION,
    SERVICE_PROFILE_COUNT,
    UUID,
    Parameters,
)

CONFIG: Final = "linkerd-config"
"""The ConfigMap that is made at installation."""

_PROFILES: Final = SERVICE_PROFILES.into(PartialObject, metadata_only=True)
_CONFIG_MAPS: Final = CONFIG_MAPS.into(PartialObject, metadata_only=True)
_PAGE_SIZE: Final = 500

T = TypeVar("T")
_log = get_logger(__name__)


class _Origin(msgspec.Struct, rename="camel"):
    uid: str = ""
    creation_timestamp: datetime | None = None


class _Config(msgspec.Struct):
    metadata: _Origin


class _Version(msgspec.Struct, rename="camel"):
    git_version: str


async def read_cluster(kubeconfig: Path | None, namespace: str, timeout: float) -> Parameters:
    """What the API server says within `timeout` seconds a request; `namespace` is the control
    plane's."""
    try:
        client = await KubeClient.connect(kubeconfig, user_agent=f"linkerd-heartbeat/{VERSION}")
    except ConfigError as error:
        _log.warning("no API server is known: its facts are left out", error=str(error))
        return {}
    try:
        return await ClusterFacts(client, namespace, timeout).read()
    finally:
        await client.close()


class ClusterFacts:
    """Reads the facts, each by itself, all at once."""

    def __init__(
        self, client: KubeClient, namespace: str, timeout: float, page_size: int = _PAGE_SIZE
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._timeout = timeout
        self._page_size = page_size

    async def read(self) -> Parameters:
        """All facts that can be had."""
        found = await asyncio.gather(
            _attempt(f"{UUID}, {INSTALL_TIME}", self.installation),
            _attempt(KUBERNETES_VERSION, self.version),
            _attempt(f"{EXTENSION_PREFIX}*", self.extensions),
            _attempt(SERVICE_PROFILE_COUNT, self.service_profiles),
        )
        return {name: text for facts in found for name, text in facts.items()}

    async def installation(self) -> Parameters:
        """Who this mesh is and since when: ConfigMap `linkerd-config`. Raises KubeError."""
        path = _CONFIG_MAPS.path(self._namespace, CONFIG)
        origin = _decode(await self._get(path, _CONFIG_MAPS.accept_object), _Config).metadata
        created = origin.creation_timestamp
        facts = {UUID: origin.uid, INSTALL_TIME: f"{created.timestamp():.0f}" if created else ""}
        return {name: text for name, text in facts.items() if text}

    async def version(self) -> Parameters:
        """The API server's version. Raises KubeError."""
        return {KUBERNETES_VERSION: _decode(await self._get("/version"), _Version).git_version}

    async def extensions(self) -> Parameters:
        """A parameter for each value of the extension label on namespaces. Raises KubeError."""
        found = self._list(NAMESPACES.narrowed(labels=EXTENSION))
        names = {meta.labels.get(EXTENSION) async for meta in found}
        return {f"{EXTENSION_PREFIX}{name}": "1" for name in names if name}

    async def service_profiles(self, namespace: str | None = None) -> Parameters:
        """How many there are in all namespaces, or in one, if we may list them.

        Raises KubeError.
        """
        review = await self_subject_access_review(
            self._client, "list", _PROFILES, namespace=namespace, timeout=self._timeout
        )
        if not review.allowed:
            _log.warning("left out", parameter=SERVICE_PROFILE_COUNT, error="we may not list them")
            return {}
        count = 0
        async for _ in self._list(_PROFILES.narrowed(namespace or "")):
            count += 1
        return {SERVICE_PROFILE_COUNT: str(count)}

    async def _list(self, resource: Resource[PartialObject]) -> AsyncIterator[ObjectMeta]:
        decoder = ObjectDecoder(resource.struct)
        lister = Lister(self._client, resource, size=self._page_size, timeout=self._timeout)
        async with aclosing(lister.pages()) as pages:
            async for page in pages:
                for item in map(decoder.decode, page.items or ()):
                    if isinstance(item, Malformed):
                        raise ProtocolError(f"{resource.kind}: {item.problem}")
                    yield item.metadata

    async def _get(self, path: str, accept: str = JSON) -> bytes:
        return await self._client.request("GET", path, accept=accept, timeout=self._timeout)


async def _attempt(names: str, read: Callable[[], Awaitable[Parameters]]) -> Parameters:
    try:
        return await read()
    except KubeError as error:
        _log.warning("left out", parameter=names, error=str(error))
        return {}


def _decode(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"not what an API server sends: {error}") from error
