"""Wait until what was applied runs, and say why when it does not."""

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from linkerd.delivery.errors import KubectlError, RolloutError
from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.manifests import Workload


def wait_ready(kubectl: Kubectl, wanted: Iterable[Workload], *, seconds: float) -> None:
    """Return when every workload has rolled out; `seconds` is for all of them together.

    Raises RolloutError that names the workload and what its pods say.
    """
    deadline = time.monotonic() + seconds
    for workload in wanted:
        left = max(1, round(deadline - time.monotonic()))
        try:
            kubectl(
                "rollout", "status", f"deployment/{workload.name}",
                f"--namespace={workload.namespace}", f"--timeout={left}s",
            )  # fmt: skip
        except KubectlError as error:
            raise RolloutError(_explain(kubectl, workload, error)) from None


def _explain(kubectl: Kubectl, workload: Workload, error: KubectlError) -> str:
    reasons: list[str] = []
    with contextlib.suppress(KubectlError):
        for pod in kubectl.list("pods", workload.namespace):
            if pod["metadata"]["name"].startswith(f"{workload.name}-"):
                reasons += [
                    f"pod {pod['metadata']['name']}: {reason}" for reason in reasons_of(pod)
                ]
    what = "; ".join(dict.fromkeys(reasons)) or str(error)
    return (
        f"{workload.name} in namespace {workload.namespace} is not ready: {what} (see `kubectl "
        f"--namespace={workload.namespace} describe deployment,pods` and `logs`)"
    )


def reasons_of(pod: Mapping[str, Any]) -> Iterator[str]:
    """Why a pod is not ready, in the cluster's own words; nothing when it is."""
    status = pod.get("status", {})
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] != "True":
            yield f"not scheduled: {condition.get('message', 'no reason given')}"
    for container in status.get("containerStatuses", []):
        if not container.get("ready"):
            yield f"container {container['name']}: {_state_of(container)}"


def _state_of(container: Mapping[str, Any]) -> str:
    state: Mapping[str, Any] = container.get("state", {})
    if waiting := state.get("waiting"):
        last = container.get("lastState", {}).get("terminated", {})
        ended = f", last exit code {last['exitCode']}" if "exitCode" in last else ""
        return f"{waiting.get('message') or waiting.get('reason', 'waiting')}{ended}"
    if terminated := state.get("terminated"):
        return f"ended with exit code {terminated.get('exitCode')}"
    return "runs but does not pass its readiness probe"
