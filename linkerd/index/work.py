"""Views that are out of date, computed in turns.

A turn goes through the views in the order in which they were touched. One that is not done when the
turn is over goes on in its next turn, after those that wait: small ones do not wait for huge ones.
Touched while it was under way, a view is computed once more.
"""

from collections import deque
from collections.abc import Callable, Iterator

from linkerd.index.complaints import Complaints
from linkerd.index.pace import Pace
from linkerd.index.views import View


class Work:
    """What is to be done. `is_followed` tells whether a view still counts."""

    def __init__(
        self, pace: Pace, complaints: Complaints, is_followed: Callable[[View], bool]
    ) -> None:
        self._pace = pace
        self._complaints = complaints
        self._is_followed = is_followed
        self._waiting: dict[View, None] = {}  # in the order of their turns
        self._begun: dict[View, Iterator[None]] = {}  # those of them that are under way
        self._again: dict[View, None] = {}  # those of them that were touched since
        self._chores: deque[Iterator[None]] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting or self._chores)

    def touched(self, view: View) -> None:
        """`view` is out of date."""
        if view in self._begun:
            self._again[view] = None
        else:
            self._waiting[view] = None

    def dropped(self, view: View) -> None:
        """`view` is gone."""
        for table in (self._waiting, self._begun, self._again):
            table.pop(view, None)

    def add(self, chore: Iterator[None]) -> None:
        """Something to do when there is time."""
        self._chores.append(chore)

    def turn(self) -> None:
        """Does what there is time for."""
        while self._waiting and not self._pace.spent():
            view = next(iter(self._waiting))
            del self._waiting[view]
            # Its last follower may have left while others were woken, and somebody else come.
            if self._is_followed(view):
                self._advance(view)
        while self._chores and not self._pace.spent():
            with self._complaints.guarding("a chore"):
                chore = self._chores.popleft()
                if not self._goes_to_its_end(chore):
                    self._chores.append(chore)

    def _advance(self, view: View) -> None:
        with self._complaints.guarding(view.id):
            steps = self._begun.pop(view, None) or iter(view.refresh())
            if not self._goes_to_its_end(steps):
                self._begun[view] = steps
                self._waiting[view] = None
                return
        if view in self._again:
            del self._again[view]
            self._waiting[view] = None

    def _goes_to_its_end(self, steps: Iterator[None]) -> bool:
        return not any(self._pace.spent() for _ in steps)
