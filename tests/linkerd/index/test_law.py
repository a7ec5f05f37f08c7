"""The engine keeps the law of indexes; and the law is broken by engines that are."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linkerd.index import Dependencies, Derived, Index
from linkerd.index.derived import _Entry
from linkerd.index.work import Work
from linkerd.kube.events import Deleted
from linkerd.streams import Topic
from tests.support.indexes.tiny import LAW, NamespaceView, Services


@settings(max_examples=500, deadline=None, suppress_health_check=[*HealthCheck])
@given(st.integers(0, 1 << 64), st.integers(1, 120))
def test_any_history_ends_like_a_rebuild(seed: int, length: int) -> None:
    LAW.holds(seed, length)


def _forgets_to_touch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of a service's IPs touches nobody."""
    take = Services._take

    def some(self: Services, key: Any, now: Any) -> Any:
        return (subject for subject in take(self, key, now) if subject[0] != "ip")

    monkeypatch.setattr(Services, "_take", some)


def _loses_deletes(monkeypatch: pytest.MonkeyPatch) -> None:
    apply = Index.apply

    def most(self: Any, kind: Any, event: Any, context: Any = None) -> None:
        if not isinstance(event, Deleted):
            apply(self, kind, event, context)

    monkeypatch.setattr(Index, "apply", most)


def _keeps_what_was_derived(monkeypatch: pytest.MonkeyPatch) -> None:
    """Derived values are never derived again."""
    monkeypatch.setattr(_Entry, "touch", lambda _self: None)


def _tells_of_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """A derived value that differs concerns nobody."""

    def refresh(self: Any, entry: Any) -> None:
        entry.value = self._value(entry)

    monkeypatch.setattr(Derived, "_refresh", refresh)


def _watches_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a view comes to depend on later is not watched."""
    watch = Dependencies.watch

    def once(self: Dependencies, dependent: Any, subjects: Any) -> None:
        if not dependent.subjects or not subjects:
            watch(self, dependent, subjects)

    monkeypatch.setattr(Dependencies, "watch", once)


def _publishes_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A view that is computed step by step publishes what it has so far, and stops there."""
    refresh = NamespaceView.refresh

    def half(self: NamespaceView) -> Any:
        steps = iter(refresh(self))
        yield from (step for step, _ in zip(steps, range(1), strict=False))
        self.topic.publish("half")

    monkeypatch.setattr(NamespaceView, "refresh", half)


def _forgets_what_changed_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """A view that is touched while it is under way is not computed once more."""
    touched = Work.touched

    def unless_begun(self: Work, view: Any) -> None:
        if view not in self._begun:
            touched(self, view)

    monkeypatch.setattr(Work, "touched", unless_begun)


def _forgets_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """What did not fit into a turn is not done."""
    monkeypatch.setattr(Index, "_go_on", lambda self: setattr(self, "_has_more", False))


def _keeps_what_nobody_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Derived, "drop", lambda _self, _subject: None)


def _lets_others_join_what_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Index, "ended", lambda _self, _view: None)


def _forgets_who_stands_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A view that ended takes the one after it with it."""
    monkeypatch.setattr(Index, "dropped", lambda self, view: self.views.pop(view.id, None))


def _never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Topic, "end", lambda _self, _end: None)


@pytest.mark.parametrize(
    "break_it",
    [
        _forgets_to_touch,
        _loses_deletes,
        _keeps_what_was_derived,
        _tells_of_no_difference,
        _watches_only_once,
        _publishes_halves,
        _forgets_what_changed_meanwhile,
        _forgets_the_rest,
        _keeps_what_nobody_follows,
        _lets_others_join_what_has_ended,
        _forgets_who_stands_in_its_place,
        _never_ends,
    ],
)
def test_the_law_is_broken_by_an_engine_that(
    break_it: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    break_it(monkeypatch)
    with pytest.raises(AssertionError):
        LAW.holds_for(range(300), 60)
