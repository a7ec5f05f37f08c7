"""Objects of policy as they are decoded from what an API server sends."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def decoded(
    struct: type[T],
    spec: Mapping[str, Any] | None = None,
    *,
    name: str = "pear",
    namespace: str = "orchard",
    annotations: Mapping[str, str] | None = None,
    created: str = "",
    status: Mapping[str, Any] | None = None,
) -> T:
    """An object; `created` is RFC 3339."""
    metadata: dict[str, Any] = {"name": name, "namespace": namespace}
    if annotations:
        metadata["annotations"] = dict(annotations)
    if created:
        metadata["creationTimestamp"] = created
    manifest = {"metadata": metadata, "spec": dict(spec or {}), "status": dict(status or {})}
    return msgspec.json.decode(msgspec.json.encode(manifest), type=struct)
