"""What objects say, judged when they are filed; what is wrong with them is logged."""

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from linkerd.index import Complaints
from linkerd.kube.objects import Key
from linkerd.policy.errors import PolicyError
from services.policy.index.kinds import Kind

V = TypeVar("V")

Faults = Iterable[PolicyError]


class Judge(Generic[V]):
    """Of objects of one kind. `judge` gives what an object says, if anything, and its faults."""

    def __init__(
        self, kind: Kind, complaints: Complaints, judge: Callable[[Any], tuple[V | None, Faults]]
    ) -> None:
        self._kind = kind.value
        self._complaints = complaints
        self._judge = judge

    def __call__(self, key: Key, now: Any) -> V | None:
        """What the object says as it is `now` (None: it is gone)."""
        if now is None:
            self._complaints.forget(self._kind, *key)
            return None
        said, faults = self._judge(now)
        for fault in faults:
            self._complaints.about(self._kind, *key, fault.field, fault.problem)
        return said


def whole(judge: Callable[[Any], V]) -> Callable[[Any], tuple[V | None, Faults]]:
    """Of a `judge` that raises PolicyError: a fault leaves nothing of the object."""

    def judged(item: Any) -> tuple[V | None, Faults]:
        try:
            return judge(item), ()
        except PolicyError as fault:
            return None, (fault,)

    return judged
