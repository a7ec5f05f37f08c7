"""Where the record of a leader election is: a Lease on the API server, or anything like it."""

from typing import Any, Final, Protocol

import msgspec

from linkerd.kube.client import KubeClient
from linkerd.kube.errors import ProtocolError

Document = dict[str, Any]
"""A Lease as JSON, complete: what others wrote on it stays."""

_API: Final = "coordination.k8s.io/v1"
_TIMEOUT: Final = 5.0  # seconds for one request: two fit into a renew deadline


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
    """A Lease on the API server."""

    def __init__(self, client: KubeClient, namespace: str, name: str) -> None:
        self._client = client
        self._meta = {"name": name, "namespace": namespace}
        self._collection = f"/apis/{_API}/namespaces/{namespace}/leases"
        self._path = f"{self._collection}/{name}"

    @property
    def name(self) -> str:
        return self._meta["name"]

    async def read(self) -> Document:
        return _decode(await self._client.request("GET", self._path, timeout=_TIMEOUT))

    async def create(self, spec: Document) -> Document:
        lease = {"apiVersion": _API, "kind": "Lease", "metadata": self._meta, "spec": spec}
        return await self._send("POST", self._collection, lease)

    async def replace(self, lease: Document) -> Document:
        return await self._send("PUT", self._path, lease)

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
