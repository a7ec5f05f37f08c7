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


class Dependent:
    """Something computed from subjects."""

    __slots__ = ("subjects",)

    def __init__(self) -> None:
        self.subjects = NOTHING

    def touch(self) -> None:
        """Some subject changed."""
        raise NotImplementedError


class Dependencies:
    """Subjects and their dependents. `on_idle` is told of every subject whose last dependent left,
    so that what was computed for it may go too."""

    def __init__(self) -> None:
        self._dependents: dict[Subject, dict[Dependent, None]] = {}
        self.on_idle: Callable[[Subject], None] = lambda _subject: None

    def watch(self, dependent: Dependent, subjects: AbstractSet[Subject]) -> None:
        """From now on `dependent` depends on `subjects` and nothing else."""
        before = dependent.subjects
        if before == subjects:
            return
        dependent.subjects = subjects
        for subject in subjects - before:
            self._dependents.setdefault(subject, {})[dependent] = None
        for subject in before - subjects:
            self._leave(dependent, subject)

    def touch(self, subject: Subject) -> None:
        """Tells all dependents of `subject` that it changed."""
        for dependent in self._dependents.get(subject, ()):
            dependent.touch()

    def __len__(self) -> int:
        return len(self._dependents)

    def _leave(self, dependent: Dependent, subject: Subject) -> None:
        dependents = self._dependents[subject]
        del dependents[dependent]
        if not dependents:
            del self._dependents[subject]
            self.on_idle(subject)
