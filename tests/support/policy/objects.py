"""Objects of policy for tests, as manifests have them."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from services.policy.index.kinds import Kind
from services.policy.resources import RESOURCES
from tests.support.objects import meta

CONTROLLER: Final = "linkerd.io/policy-controller"
POLICY: Final = "policy.linkerd.io"


def item(
    kind: Kind,
    name: str,
    spec: Mapping[str, Any] | None = None,
    *,
    namespace: str = "fin",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    created: str = "",
    status: Mapping[str, Any] | None = None,
) -> Any:
    """An object, decoded as it is when it is read. `created` is a day, such as `2026-01-31`."""
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-{kind.value}-{namespace}-{name}",
        "resourceVersion": meta(name).resource_version,
        "labels": dict(labels or {}),
        "annotations": dict(annotations or {}),
        **({"creationTimestamp": f"{created}T00:00:00Z"} if created else {}),
    }
    manifest = {"metadata": metadata, "spec": dict(spec or {}), "status": dict(status or {})}
    return msgspec.json.decode(msgspec.json.encode(manifest), type=RESOURCES[kind].struct)


def accepted(*servers: str, by: str = CONTROLLER, status: str = "True") -> dict[str, Any]:
    """The status of a route that these Servers take."""
    return {
        "parents": [
            {
                "parentRef": {"group": POLICY, "kind": "Server", "name": server},
                "controllerName": by,
                "conditions": [{"type": "Accepted", "status": status}],
            }
            for server in servers
        ]
    }


def parents(*servers: str, **more: Any) -> list[dict[str, Any]]:
    """References of a route to Servers."""
    return [{"group": POLICY, "kind": "Server", "name": server, **more} for server in servers]
