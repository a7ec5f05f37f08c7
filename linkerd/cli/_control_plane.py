"""What the CLI asks a cluster about the control plane in it."""

from pathlib import Path
from typing import Final

import msgspec

from linkerd.kube.client import KubeClient
from linkerd.kube.errors import KubeError
from linkerd.labels import CONTROL_PLANE_NS

UNAVAILABLE: Final = "unavailable"
_SECONDS: Final = 5.0
_VERSION_LABEL: Final = "app.kubernetes.io/version"


class _Meta(msgspec.Struct):
    labels: dict[str, str] = {}


class _Deployment(msgspec.Struct):
    metadata: _Meta


class _Deployments(msgspec.Struct):
    items: list[_Deployment] = []


async def server_version(kubeconfig: Path | None, namespace: str) -> str:
    """What the control plane's Deployments are labelled with; several, when they differ."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    query = {"labelSelector": CONTROL_PLANE_NS}
    try:
        async with await KubeClient.connect(kubeconfig, user_agent="linkerd-cli") as api:
            body = await api.request("GET", path, query=query, timeout=_SECONDS)
        deployments = msgspec.json.decode(body, type=_Deployments)
    except (KubeError, msgspec.DecodeError):
        return UNAVAILABLE
    found = {item.metadata.labels.get(_VERSION_LABEL) for item in deployments.items}
    return ", ".join(sorted(version for version in found if version)) or UNAVAILABLE
