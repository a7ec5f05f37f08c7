"""Resources as commands name them, and the pods that they stand for."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from linkerd.check.cluster import Object
from linkerd.cli._reach import SECONDS
from linkerd.delivery.errors import KubectlError
from linkerd.delivery.kubectl import Kubectl


def resource_name(words: Sequence[str]) -> str:
    """TYPE/NAME of `TYPE/NAME` or `TYPE NAME`. Raises UsageError."""
    name = "/".join(words)
    if name.count("/") != 1:
        raise click.UsageError("name one resource, such as pod/web-1 or deploy/web")
    return name


def pods_of(kubectl: Kubectl, name: str, namespace: str) -> list[Object]:
    """A pod, or all pods that a deployment, daemonset, statefulset, replicaset, job or service
    selects. Raises KubectlError when there is no such resource, or it selects none."""
    limit = f"--request-timeout={SECONDS:.0f}s"
    found = json.loads(kubectl("get", name, f"--namespace={namespace}", "--output=json", limit))
    if found["kind"] == "Pod":
        return [found]
    selector = _selector(found.get("spec", {}).get("selector") or {})
    if not selector:
        raise KubectlError(f"{name} selects no pods")
    return [dict(pod) for pod in kubectl.list("pods", namespace, selector)]


def _selector(selector: Mapping[str, Any]) -> str:
    """A selector of either form as kubectl takes it."""
    if not selector.keys() & {"matchLabels", "matchExpressions"}:
        return ",".join(f"{key}={value}" for key, value in selector.items())
    labels = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    return ",".join([*labels, *map(_term, selector.get("matchExpressions") or ())])


def _term(expression: Mapping[str, Any]) -> str:
    key, values = expression["key"], ",".join(expression.get("values") or ())
    forms = {
        "In": f"{key} in ({values})",
        "NotIn": f"{key} notin ({values})",
        "Exists": key,
        "DoesNotExist": f"!{key}",
    }
    return str(forms[expression["operator"]])
