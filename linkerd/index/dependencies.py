"""Who has to be computed again when something changed.

A subject is a thing that can change (a pod, the slices of a service, an IP's owners); a dependent
is something computed from subjects. Touching a subject touches its dependents, which note that they
are out of date; nothing is computed here.
"""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Final

Subject = tuple[str, ...]
"""A kind of thing and what names it, for instance ("pod", namespace, name)."""

NOTHING: Final[AbstractSet[Subject]] = frozenset()
_NOBODY: Final[dict["Dependent", None]] = {}


class Dependent:
    """Something computed from subjects."""

    __slots__ = ("subjects",)

    def __init__(self) -> None:
        self.subjects: tuple[Subject, ...] = ()

    def touch(self) -> None:
        """Some subject changed."""
        raise NotImplementedError


class Dependencies:
    """Subjects and their dependents. `on_idle` is told of every subject whose last dependent left,
    so that what was computed for it may go too."""

    def __init__(self) -> None:
        # Most subjects have one dependent: it stands there itself, for there are very many.
        self._dependents: dict[Subject, Dependent | dict[Dependent, None]] = {}
        self.on_idle: Callable[[Subject], None] = lambda _subject: None

    def watch(self, dependent: Dependent, subjects: AbstractSet[Subject]) -> None:
        """From now on `dependent` depends on `subjects` and nothing else."""
        before = set(dependent.subjects)
        if before == subjects:
            return
        dependent.subjects = tuple(subjects)  # a third of a set
        for subject in subjects - before:
            self._join(dependent, subject)
        for subject in before - subjects:
            self._leave(dependent, subject)

    def touch(self, subject: Subject) -> None:
        """Tells all dependents of `subject` that it changed."""
        found = self._dependents.get(subject, _NOBODY)
        if isinstance(found, Dependent):
            found.touch()
        else:
            for dependent in found:
                dependent.touch()

    def __len__(self) -> int:
        return len(self._dependents)

    def _join(self, dependent: Dependent, subject: Subject) -> None:
        others = self._dependents.setdefault(subject, dependent)
        if isinstance(others, dict):
            others[dependent] = None
        elif others is not dependent:
            self._dependents[subject] = {others: None, dependent: None}

    def _leave(self, dependent: Dependent, subject: Subject) -> None:
        found = self._dependents[subject]
        if isinstance(found, dict):
            del found[dependent]
            if found:
                return
        del self._dependents[subject]
        self.on_idle(subject)
