"""Metadata that all objects have, trimmed to what a mesh needs.

Structs here and beside are frozen and outside the garbage collector (`gc=False`): they are trees
of immutable values and can hold no cycle, so the collector need not walk tens of thousands of them.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol

import msgspec
from msgspec.structs import force_setattr

from linkerd.kube.objects.pool import ANNOTATIONS, EMPTY, LABELS, STRINGS, Pool


class Key(NamedTuple):
    """What names an object within its resource; `namespace` is empty for cluster-wide ones."""

    namespace: str
    name: str


class OwnerReference(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Who made this object; the name is in the object's own namespace."""

    kind: str
    name: str
    api_version: str = ""
    uid: str = ""
    controller: bool = False


_OWNERS: Final[Pool[tuple[OwnerReference, ...]]] = Pool()


def keep_annotation(key: str) -> bool:
    """Whether an annotation is worth its memory: the mesh's own are, the rest (last-applied
    manifests, restart marks, network status) may be kilobytes that nobody here reads."""
    domain, slash, _ = key.partition("/")
    return slash == "/" and (domain == "linkerd.io" or domain.endswith(".linkerd.io"))


def _trim(annotations: Mapping[str, str]) -> Mapping[str, str]:
    kept = {key: value for key, value in annotations.items() if keep_annotation(key)}
    return ANNOTATIONS.share(kept)


class ObjectMeta(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Name, version, labels and owners. Only annotations that `keep_annotation` allows are here."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()
    deletion_timestamp: str | None = None

    def __post_init__(self) -> None:
        force_setattr(self, "namespace", STRINGS.share(self.namespace))
        force_setattr(self, "labels", LABELS.share(self.labels))
        annotations = _trim(self.annotations) if self.annotations else EMPTY
        force_setattr(self, "annotations", annotations)
        if self.owner_references:
            force_setattr(self, "owner_references", _OWNERS.share(self.owner_references))

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return Key(self.namespace, self.name)


class DatedMeta(ObjectMeta, frozen=True, gc=False, rename="camel"):
    """Metadata that keeps the time of creation, RFC 3339 in UTC: text that sorts by time."""

    creation_timestamp: str = ""


class KubeObject(Protocol):
    """What a reflector needs of any object."""

    @property
    def metadata(self) -> ObjectMeta: ...


class PartialObject(msgspec.Struct, frozen=True, gc=False):
    """An object of which only the metadata was asked for (ReplicaSets, Jobs, Nodes)."""

    metadata: ObjectMeta
