"""Applies events, flushes what they changed, and keeps the views that clients follow.

It has one owner and never awaits. Reflectors call the listener of their kind with each batch; the
batch is applied, then what depends on it is computed once and published: at once, or, if it is
much, in turns of the loop.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar, cast

from linkerd.index.context import Context
from linkerd.index.pace import AtOnce, Pace
from linkerd.index.views import View
from linkerd.index.work import Work
from linkerd.kube.events import Event

K = TypeVar("K", bound=Hashable)
C = TypeVar("C", bound=Context[Any])
V = TypeVar("V", bound=View)


class Index(Generic[K, C]):
    """`home` is the context of the cluster that we are in."""

    def __init__(self, home: C, pace: Pace | None = None) -> None:
        self.home = home
        self.tally = home.complaints.tally
        self.views: dict[Hashable, View] = {}
        self._pace = pace or AtOnce()
        self._work = Work(self._pace, home.complaints, self._is_followed)
        self._is_at_it = False
        self._has_more = False  # to do in another turn, which comes

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
        """Computes what is out of date and publishes what differs, as far as there is time; the
        rest follows."""
        if self._is_at_it:
            return
        self._is_at_it = True
        try:
            self._turn()
        finally:
            self._is_at_it = False
        if not self.in_step and not self._has_more:
            self._has_more = True
            self._pace.later(self._go_on)

    def _turn(self) -> None:
        self._pace.begin()
        for context in self.contexts():
            for derived in context.derived:
                while derived.outdated and not self._pace.spent():
                    derived.refresh_one()
        self._pace.begin()
        self._work.turn()

    def _go_on(self) -> None:
        self._has_more = False
        self.flush()

    @property
    def in_step(self) -> bool:
        """Whether all that was applied has been computed and published."""
        return not self._work and not any(
            derived.outdated for context in self.contexts() for derived in context.derived
        )

    def view(self, key: tuple[type[V], *tuple[Hashable, ...]], make: Callable[[], V]) -> V:
        """The view of that class and key; if nobody follows it yet, `make` makes it."""
        view = self.views.get(key)
        if view is None:
            view = self.views[key] = make()
        return cast("V", view)

    def touched(self, view: View) -> None:
        """`view` is out of date."""
        self._work.touched(view)

    def ended(self, view: View) -> None:
        """`view` has nothing more to say; who asks for the same from now on gets another."""
        self._work.dropped(view)
        del self.views[view.id]

    def dropped(self, view: View) -> None:
        """The last follower of `view` has left."""
        self._work.dropped(view)
        if self._is_followed(view):  # it may have ended, and another stand in its place
            del self.views[view.id]

    def tidy(self, steps: Iterator[None]) -> None:
        """Has something let go of, step by step."""
        self._work.add(steps)
        self.flush()

    def _is_followed(self, view: View) -> bool:
        return self.views.get(view.id) is view
