"""What the CLI asks a cluster about the control plane in it."""

from typing import Final, TypeVar

import msgspec

from linkerd.check.cluster import Cluster
from linkerd.cli._target import Target
from linkerd.kube.errors import KubeError, ProtocolError
from linkerd.mesh.control_plane import DESTINATION
from linkerd.mesh.labels import APP_VERSION, CONTROL_PLANE_NS
from linkerd.runtime.logs import get_logger

_log = get_logger(__name__)

T = TypeVar("T")

UNAVAILABLE: Final = "unavailable"
_SECONDS: Final = 5.0
_DOMAIN_FLAG: Final = "cluster-domain"


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


async def server_version(target: Target) -> str:
    """What the control plane's Deployments are labelled with; several, when they differ."""
    path = f"/apis/apps/v1/namespaces/{target.namespace}/deployments"
    try:
        deployments = await _ask(target, path, _Deployments, labelSelector=CONTROL_PLANE_NS)
    except KubeError as error:
        _log.debug("the server's version is not known", error=str(error))
        return UNAVAILABLE
    found = {item.metadata.labels.get(APP_VERSION) for item in deployments.items}
    return ", ".join(sorted(version for version in found if version)) or UNAVAILABLE


async def cluster_domain(target: Target) -> str | None:
    """The DNS suffix of services, which the control plane is told by a flag; None when it has no
    such flag. Raises KubeError when there is no control plane, or it cannot be asked."""
    path = f"/apis/apps/v1/namespaces/{target.namespace}/deployments/{DESTINATION}"
    spec = (await _ask(target, path, _Deployment)).spec.template.spec
    flags = [flag.lstrip("-").partition("=") for c in spec.containers for flag in c.args]
    return next((value for name, _, value in reversed(flags) if name == _DOMAIN_FLAG), None)


async def _ask(target: Target, path: str, kind: type[T], **query: str) -> T:
    async with Cluster(target.access, target.namespace, seconds=_SECONDS) as cluster:
        found = await cluster.get(path, query)
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        raise ProtocolError(f"GET {path}: {error}") from error
