"""What exists, kind by kind, in the tables of a service."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any, Final, Generic, TypeVar

from linkerd.index.dependencies import Subject
from linkerd.kube.events import Applied, Event
from linkerd.kube.objects import Key

K = TypeVar("K", bound=Hashable)

Taker = Callable[[Key, Any], Iterator[Subject]]
"""Files an object as it is now (None: it is gone) and yields the subjects that this touches."""


class Objects(Generic[K]):
    """A service's subclass has tables, which readers take as they are and never write to, and a
    taker for each kind, which keeps them."""

    def __init__(self, takers: Mapping[K, Taker]) -> None:
        self._takers: Final = takers

    def apply(self, kind: K, event: Event[Any]) -> Iterable[Subject]:
        """Takes an event in, and says what it touched."""
        now = event.object if isinstance(event, Applied) else None
        return list(self._takers[kind](event.object.metadata.key, now))
