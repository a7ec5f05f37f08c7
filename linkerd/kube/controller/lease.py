"""Where the record of a leader election is: a Lease on the API server, or anything like it."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec

from linkerd.kube.client import KubeClient
from linkerd.kube.errors import Forbidden, NotFound, ProtocolError
from linkerd.kube.resource import DEPLOYMENTS
from linkerd.runtime.logs import get_logger

Document = dict[str, Any]
"""A Lease as JSON, complete: what others wrote on it stays."""

_API: Final = "coordination.k8s.io/v1"
_TIMEOUT: Final = 5.0  # seconds for one request: two fit into a renew deadline
_log: Final = get_logger(__name__)


class Lock(Protocol):
    """Where the record is. All methods raise KubeError."""

    @property
    def name(self) -> str:
        """Which Lease it is, for logs and metrics."""

    async def read(self) -> Document:
        """The Lease; NotFound when there is none."""

    async def create(self, spec: Document) -> Document:
        """A new Lease with this spec; Conflict when there is one."""

    async def replace(self, lease: Document) -> Document:
        """The Lease as given; Conflict when its version is not the last."""


class LeaseLock:
    """A Lease on the API server. A new one has these `labels`, and goes when `deployment`, of the
    same namespace, does, if there is one of that name that we may read."""

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        name: str,
        *,
        labels: Mapping[str, str] | None = None,
        deployment: str = "",
    ) -> None:
        self._client = client
        self._meta = {"name": name, "namespace": namespace, "labels": dict(labels or {})}
        self._name = name
        self._collection = f"/apis/{_API}/namespaces/{namespace}/leases"
        self._path = f"{self._collection}/{name}"
        self._owner = DEPLOYMENTS.path(namespace, deployment) if deployment else ""

    @property
    def name(self) -> str:
        return self._name

    async def read(self) -> Document:
        return _decode(await self._client.request("GET", self._path, timeout=_TIMEOUT))

    async def create(self, spec: Document) -> Document:
        owners, why_none = await self._owners()
        metadata = {**self._meta, "ownerReferences": owners}
        lease = {"apiVersion": _API, "kind": "Lease", "metadata": metadata, "spec": spec}
        created = await self._send("POST", self._collection, lease)
        if why_none:
            _log.info("the Lease has no owner", name=self._name, error=why_none)
        return created

    async def replace(self, lease: Document) -> Document:
        return await self._send("PUT", self._path, lease)

    async def _owners(self) -> tuple[list[Document], str]:
        """The owners, and why there is none where there should be one."""
        if not self._owner:
            return [], ""
        try:
            found = await self._client.request("GET", self._owner, timeout=_TIMEOUT)
        except (NotFound, Forbidden) as error:
            return [], str(error)
        metadata = _decode(found)["metadata"]
        owner = {"name": metadata["name"], "uid": metadata["uid"], "controller": True}
        return [{"apiVersion": "apps/v1", "kind": "Deployment", **owner}], ""

    async def _send(self, method: str, path: str, lease: Document) -> Document:
        body = msgspec.json.encode(lease)
        return _decode(await self._client.request(method, path, body=body, timeout=_TIMEOUT))


def _decode(body: bytes) -> Document:
    try:
        lease = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProtocolError(f"not a Lease: {error}") from error
    if not isinstance(lease.get("spec", {}), dict):
        raise ProtocolError("not a Lease: its spec is no object")
    return lease
