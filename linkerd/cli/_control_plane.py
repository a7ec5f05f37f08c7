"""What the CLI asks a cluster about the control plane in it."""

from pathlib import Path
from typing import Final

import msgspec

from linkerd.kube.client import KubeClient
from linkerd.kube.errors import KubeError, ProtocolError
from linkerd.labels import CONTROL_PLANE_NS

UNAVAILABLE: Final = "unavailable"
_SECONDS: Final = 5.0
_DESTINATION: Final = "linkerd-destination"
_DOMAIN_FLAG: Final = "cluster-domain"
_VERSION_LABEL: Final = "app.kubernetes.io/version"


class _Meta(msgspec.Struct):
    labels: dict[str, str] = {}


class _Container(msgspec.Struct):
    args: list[str] = []


class _PodSpec(msgspec.Struct):
    containers: list[_Container] = []


class _Template(msgspec.Struct):
    spec: _PodSpec


class _Spec(msgspec.Struct):
    template: _Template


class _Deployment(msgspec.Struct):
    metadata: _Meta
    spec: _Spec


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


async def cluster_domain(kubeconfig: Path | None, namespace: str) -> str | None:
    """The DNS suffix of services, which the control plane is told by a flag; None when it has no
    such flag. Raises KubeError when there is no control plane, or it cannot be asked."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{_DESTINATION}"
    async with await KubeClient.connect(kubeconfig, user_agent="linkerd-cli") as api:
        body = await api.request("GET", path, timeout=_SECONDS)
    try:
        spec = msgspec.json.decode(body, type=_Deployment).spec.template.spec
    except msgspec.DecodeError as error:
        raise ProtocolError(f"GET {path}: {error}") from error
    flags = [flag.lstrip("-").partition("=") for c in spec.containers for flag in c.args]
    return next((value for name, _, value in reversed(flags) if name == _DOMAIN_FLAG), None)
