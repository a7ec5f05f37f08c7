"""Applies events, flushes what they changed, and keeps the views that clients follow.

It has one owner and never awaits. Reflectors call the listener of their kind with each batch; the
batch is applied, then what depends on it is computed once and published.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Generic, TypeVar, cast

from linkerd.index.context import Context
from linkerd.index.views import View
from linkerd.kube.events import Event

K = TypeVar("K", bound=Hashable)
C = TypeVar("C", bound=Context[Any])
V = TypeVar("V", bound=View)


class Index(Generic[K, C]):
    """`home` is the context of the cluster that we are in."""

    def __init__(self, home: C) -> None:
        self.home = home
        self.tally = home.complaints.tally
        self.views: dict[Hashable, View] = {}
        self._outdated: dict[View, None] = {}

    def contexts(self) -> Iterable[C]:
        """All clusters that views are computed from; a service that reads several says which."""
        return (self.home,)

    def listener(self, kind: K, context: C | None = None) -> Callable[[Sequence[Event[Any]]], None]:
        """What the reflector of `kind` (in another cluster than ours) calls with each batch of
        events."""

        def on_events(events: Sequence[Event[Any]]) -> None:
            for event in events:
                self.apply(kind, event, context)
            self.flush()

        return on_events

    def apply(self, kind: K, event: Event[Any], context: C | None = None) -> None:
        """Takes one event in. Answers change at the next flush."""
        (context or self.home).apply(kind, event)

    def flush(self) -> None:
        """Computes what is out of date and publishes what differs."""
        for context in self.contexts():
            for derived in context.derived:
                derived.refresh()
        outdated, self._outdated = self._outdated, {}
        for view in outdated:
            # Its last follower may have left while others were woken, and somebody else come.
            if self.views.get(view.id) is view:
                with self.home.complaints.guarding(view.id):
                    view.refresh()

    def view(self, key: tuple[type[V], *tuple[Hashable, ...]], make: Callable[[], V]) -> V:
        """The view of that class and key; if nobody follows it yet, `make` makes it."""
        view = self.views.get(key)
        if view is None:
            view = self.views[key] = make()
        return cast("V", view)

    def touched(self, view: View) -> None:
        """`view` is out of date."""
        self._outdated[view] = None

    def dropped(self, view: View) -> None:
        """The last follower of `view` has left."""
        self._outdated.pop(view, None)
        del self.views[view.id]
