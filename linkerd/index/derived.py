"""Values between objects and views: derived once a change, for all views that ask.

Kept for the subjects that somebody depends on, and only for those. When what a value came from
changes, it is derived again, and only if it differs do its dependents hear of it; where most
changes of an object mean nothing to views, they end here.
"""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Generic, TypeVar

from linkerd.index.complaints import Complaints
from linkerd.index.dependencies import NOTHING, Dependencies, Dependent, Subject

V = TypeVar("V")

Watch = Callable[[AbstractSet[Subject]], None]
Derive = Callable[[Subject, Watch], V | None]
"""The value of a subject, None if there is none; says by `watch` what it comes from."""


class _Entry(Dependent, Generic[V]):
    """The value of one subject."""

    __slots__ = ("_outdated", "subject", "value")

    def __init__(self, subject: Subject, outdated: "dict[_Entry[V], None]") -> None:
        super().__init__()
        self._outdated = outdated
        self.subject = subject
        self.value: V | None = None

    def touch(self) -> None:
        self._outdated[self] = None


class Derived(Generic[V]):
    """Values by subject."""

    def __init__(
        self, derive: Derive[V], dependencies: Dependencies, complaints: Complaints
    ) -> None:
        self._derive = derive
        self._dependencies = dependencies
        self._complaints = complaints
        self._entries: dict[Subject, _Entry[V]] = {}
        self._outdated: dict[_Entry[V], None] = {}

    def at(self, subject: Subject) -> V | None:
        """The value of `subject` as of now. Whoever asks must watch `subject` by the end of its
        computation; that is what keeps the value."""
        entry = self._entries.get(subject)
        if entry is None:
            entry = _Entry(subject, self._outdated)
            try:
                entry.value = self._value(entry)
            except BaseException:  # nothing of it may stay: who asks next tries anew
                self._dependencies.watch(entry, NOTHING)
                raise
            self._entries[subject] = entry
        elif self._outdated and entry in self._outdated:
            del self._outdated[entry]
            self._refresh(entry)
        return entry.value

    def drop(self, subject: Subject) -> None:
        """Nobody depends on `subject` any more."""
        entry = self._entries.pop(subject, None)
        if entry is not None:
            self._outdated.pop(entry, None)
            self._dependencies.watch(entry, NOTHING)

    @property
    def outdated(self) -> bool:
        """Whether anything is out of date."""
        return bool(self._outdated)

    def refresh_one(self) -> None:
        """Derives one value again that is out of date, and touches those whom a difference
        concerns. The newest comes first: one change may concern very many, which others should not
        have to wait for."""
        self._refresh(self._outdated.popitem()[0])

    def _refresh(self, entry: _Entry[V]) -> None:
        with self._complaints.guarding(entry.subject):
            value = self._value(entry)
            if value != entry.value:
                entry.value = value
                self._dependencies.touch(entry.subject)

    def __len__(self) -> int:
        return len(self._entries)

    def _value(self, entry: _Entry[V]) -> V | None:
        return self._derive(
            entry.subject, lambda subjects: self._dependencies.watch(entry, subjects)
        )
