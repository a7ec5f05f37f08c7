"""The checks that there are, category by category, in the order in which they run."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from linkerd.check.cluster import Cluster
from linkerd.check.identity import data_plane_category, identity_category
from linkerd.check.model import Category, Check, CheckError
from linkerd.check.webhooks import webhooks_category
from linkerd.mesh.labels import CONTROL_PLANE_COMPONENT
from linkerd.runtime.clock import Clock

MINIMUM_VERSION: Final = (1, 31)
COMPONENTS: Final = ("destination", "identity", "policy")
"""Those that this control plane cannot be without."""

_Question = Callable[[Cluster], Awaitable[None]]


def core_categories(
    cluster: Cluster, clock: Clock, *, proxy: bool, namespace: str
) -> tuple[Category, ...]:
    """All that `linkerd check` runs; `proxy` adds those of the data plane, in `namespace` or in
    all."""
    control_plane = (_kubernetes_api, _kubernetes_version, _existence)
    categories = [make(cluster) for make in control_plane]
    categories.append(identity_category(cluster, clock))
    categories.append(webhooks_category(cluster, clock))
    if proxy:
        categories.append(data_plane_category(cluster, namespace))
    return tuple(categories)


def _check(
    cluster: Cluster, description: str, anchor: str, question: _Question, **kind: bool
) -> Check:
    return Check(description, anchor, partial(question, cluster), **kind)


def _kubernetes_api(cluster: Cluster) -> Category:
    checks = (
        _check(cluster, "can initialize the client", "k8s-api", _connect, fatal=True),
        _check(cluster, "can query the Kubernetes API", "k8s-api", _query, fatal=True),
    )
    return Category("kubernetes-api", checks)


def _kubernetes_version(cluster: Cluster) -> Category:
    text = "is running the minimum Kubernetes API version"
    return Category("kubernetes-version", (_check(cluster, text, "k8s-version", _minimum_version),))


def _existence(cluster: Cluster) -> Category:
    namespace, unschedulable = "l5d-existence-ns", "l5d-existence-unschedulable-pods"
    return Category(
        "linkerd-existence",
        (
            _check(cluster, "control plane Namespace exists", namespace, _namespace, fatal=True),
            _check(
                cluster, "no unschedulable pods", unschedulable, _schedulable,
                warning=True, retryable=True,
            ),
            _check(
                cluster, "control plane pods are ready", "l5d-api-control-ready", _ready,
                fatal=True, retryable=True,
            ),
        ),
    )  # fmt: skip


async def _connect(cluster: Cluster) -> None:
    await cluster.connect()


async def _query(cluster: Cluster) -> None:
    await cluster.get("/version")


async def _minimum_version(cluster: Cluster) -> None:
    found = await cluster.get("/version")
    digits = (
        "".join(c for c in str(found.get(part)) if c.isdigit()) for part in ("major", "minor")
    )
    major, minor = (int(text or "0") for text in digits)
    if (major, minor) < MINIMUM_VERSION:
        wanted = ".".join(map(str, MINIMUM_VERSION))
        raise CheckError(
            f"Kubernetes is on version {found.get('gitVersion')}, but version {wanted} or more "
            "recent is required"
        )


async def _namespace(cluster: Cluster) -> None:
    if await cluster.find(f"/api/v1/namespaces/{cluster.namespace}") is None:
        raise CheckError(
            f'The "{cluster.namespace}" namespace does not exist. Is the control plane installed '
            "in another one? --linkerd-namespace names it."
        )


async def _control_plane_pods(cluster: Cluster) -> list[dict[str, Any]]:
    pods = cluster.pods(cluster.namespace, CONTROL_PLANE_COMPONENT)
    return [pod async for pod in pods if "deletionTimestamp" not in pod["metadata"]]


async def _schedulable(cluster: Cluster) -> None:
    waiting = [
        f"{pod['metadata']['name']}: {condition.get('message', '')}"
        for pod in await _control_plane_pods(cluster)
        for condition in pod.get("status", {}).get("conditions", ())
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable"
    ]
    if waiting:
        raise CheckError("\n".join(waiting))


async def _ready(cluster: Cluster) -> None:
    """Of every component one pod at least; a pod that is being replaced does not count."""
    pods = await _control_plane_pods(cluster)
    problems: list[str] = []
    for component in COMPONENTS:
        own = [p for p in pods if p["metadata"]["labels"][CONTROL_PLANE_COMPONENT] == component]
        unready = [_unready(pod) for pod in own]
        if not own:
            problems.append(f'No running pods for "linkerd-{component}"')
        elif all(unready):
            problems += [text for texts in unready for text in texts]
    if problems:
        raise CheckError("\n".join(problems))


def _unready(pod: dict[str, Any]) -> list[str]:
    name, status = pod["metadata"]["name"], pod.get("status", {})
    if status.get("phase") != "Running":
        return [f"pod/{name} status is {status.get('phase', 'unknown')}"]
    return [
        f"pod/{name} container {container['name']} is not ready"
        for container in status.get("containerStatuses", ())
        if not container.get("ready")
    ]
