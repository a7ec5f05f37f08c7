"""The namespace that commands mean when none is given."""

import json
from typing import Any

from linkerd.delivery.kubectl import Kubectl


def context_namespace(kubectl: Kubectl) -> str:
    """That of kubectl's present context; `default` where there is none, or it names none. Asks no
    cluster."""
    config: dict[str, Any] = json.loads(kubectl("config", "view", "--output=json"))
    current = config.get("current-context")
    contexts = {context["name"]: context["context"] for context in config.get("contexts") or ()}
    return str(contexts.get(current, {}).get("namespace") or "default")
