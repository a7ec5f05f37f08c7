"""What names the objects whose status is written, and those that they refer to."""

from typing import NamedTuple

from linkerd.kube.objects import Key
from linkerd.policy.references import GroupKind
from services.policy.index.kinds import Kind


class StatusKey(NamedTuple):
    """An object with a status; `kind` is the value of its Kind."""

    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, kind: Kind, key: Key) -> "StatusKey":
        """The object of that kind and name."""
        return cls(kind.value, *key)

    @property
    def object(self) -> Key:
        """Its name among those of its kind."""
        return Key(self.namespace, self.name)


class Target(NamedTuple):
    """A parent, a backend, or what a policy is for."""

    kind: GroupKind
    namespace: str
    name: str
