"""The namespace that commands mean when none is given."""

import json
from typing import Any

from linkerd.delivery.kubectl import Kubectl
from linkerd.kube.access import Access


def context_namespace(access: Access) -> str:
    """That of the context; `default` where there is none, or it names none. Asks no cluster.

    Raises KubectlError when there is no kubectl, or it cannot read the kubeconfig.
    """
    kubectl = Kubectl(access.kubeconfig)
    config: dict[str, Any] = json.loads(kubectl("config", "view", "--output=json"))
    wanted = access.context or config.get("current-context")
    contexts = {context["name"]: context["context"] for context in config.get("contexts") or ()}
    return str(contexts.get(wanted, {}).get("namespace") or "default")
