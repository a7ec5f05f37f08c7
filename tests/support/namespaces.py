"""A namespace for each test, and an end of it that needs no controller manager.

On an API server alone nobody empties a namespace that is being deleted. So every object in it is
deleted here, through every namespaced resource that the server lists, and then the namespace is
released. What a test leaves would be seen by the watches of the tests after it.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from linkerd.local.api import AdminApi, ApiRefusedError
from linkerd.local.errors import LocalError

# Deleting these is refused or pointless: they go with what they describe.
_SKIPPED: Final = {"events", "bindings", "localsubjectaccessreviews"}


@contextmanager
def fresh_namespace(api: AdminApi, *, prefix: str = "test") -> Iterator[str]:
    """The name of a new namespace, emptied and deleted at the end."""
    name = f"{prefix}-{secrets.token_hex(4)}"
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    api.request("POST", "/api/v1/namespaces", manifest)
    try:
        yield name
    finally:
        # The server may be gone, through the test's doing: then so is the namespace.
        with suppress(LocalError):
            delete_namespace(api, name)


def delete_namespace(api: AdminApi, name: str) -> None:
    """Delete all that is in the namespace, and then it."""
    path = f"/api/v1/namespaces/{name}"
    with suppress(ApiRefusedError):
        api.request("DELETE", path)
    for prefix, plural in namespaced_resources(api):
        collection = f"{prefix}/namespaces/{name}/{plural}"
        with suppress(ApiRefusedError):
            api.request("DELETE", f"{collection}?gracePeriodSeconds=0")
    with suppress(ApiRefusedError):
        namespace = api.request("GET", path)
        namespace["spec"]["finalizers"] = []
        api.request("PUT", f"{path}/finalize", namespace)


def namespaced_resources(api: AdminApi) -> list[tuple[str, str]]:
    """(path prefix, plural) of every resource of the preferred versions that can be emptied."""
    groups = api.request("GET", "/apis")["groups"]
    prefixes = ["/api/v1", *(f"/apis/{g['preferredVersion']['groupVersion']}" for g in groups)]
    found = []
    for prefix in prefixes:
        with suppress(ApiRefusedError):
            found += [
                (prefix, r["name"])
                for r in api.request("GET", prefix)["resources"]
                if _can_empty(r)
            ]
    return found


def _can_empty(resource: dict[str, Any]) -> bool:
    return (
        resource["namespaced"]
        and "deletecollection" in resource["verbs"]
        and resource["name"] not in _SKIPPED
    )
