"""What computations work with: the objects of one cluster, and who depends on them."""

from collections.abc import Hashable, Sequence
from typing import Any, Generic, TypeVar

from linkerd.index.complaints import Complaints
from linkerd.index.dependencies import Dependencies
from linkerd.index.derived import Derived
from linkerd.index.objects import Objects
from linkerd.kube.events import Event

K = TypeVar("K", bound=Hashable)


class Context(Generic[K]):
    """One a cluster that is read. A service's subclass adds what its computations need besides."""

    def __init__(self, objects: Objects[K], complaints: Complaints | None = None) -> None:
        self.objects = objects
        self.dependencies = Dependencies()
        self.complaints = complaints or Complaints()
        self.derived: Sequence[Derived[Any]] = ()
        """What stands between objects and views; of values that others are derived from, these
        come first."""

    def apply(self, kind: K, event: Event[Any]) -> None:
        """Takes one event in. Answers change at the next flush."""
        with self.complaints.guarding(kind):
            for subject in self.objects.apply(kind, event):
                self.dependencies.touch(subject)
