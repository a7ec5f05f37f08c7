"""Which of our own writes the cache has not shown yet.

A plan made from objects as they were before our last write would undo or repeat it. The API server
takes a write only of the version that it was planned from, so the first event of that object that
comes after it is the write itself, or something later: until then the cache is stale. An event that
shows exactly what we wrote is expected, and no reason to look again; any other is.

Controllers in Go compare generations for the same end; versions tell edits of metadata too.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

from linkerd.kube.objects import Key

K = TypeVar("K", bound=Hashable)

PATIENCE: Final = 60.0
"""Seconds after which a write that never shows is taken for undone by somebody, unseen."""


class Item(NamedTuple):
    """An object that is written: its kind and its name."""

    kind: str
    key: Key


@dataclass(frozen=True, slots=True)
class _Awaited:
    version: str | None  # None: its deletion
    since: float


class Expectations(Generic[K]):
    """The objects whose last write is still to be seen, by the key of the work that wrote them.
    Times are monotonic seconds. One write is under way at a time."""

    def __init__(self) -> None:
        self._awaited: dict[K, dict[Item, _Awaited]] = {}
        self._sending: K | None = None
        self._overtaken: set[Item] = set()  # seen while a write of theirs is under way

    def clear(self) -> None:
        """Another may have written since: nothing is expected any more."""
        self._awaited.clear()

    def sending(self, key: K) -> None:
        """A write begins; it ends with `sent`, or with the next one that begins."""
        self._sending = key
        self._overtaken.clear()

    def sent(self, item: Item, version: str | None, now: float) -> None:
        """The write that began last made this version of the object, or (None) deleted it. It is
        awaited, unless the cache has shown it, or something later, before the answer came."""
        key, self._sending = self._sending, None
        if key is not None and item not in self._overtaken:
            self._awaited.setdefault(key, {})[item] = _Awaited(version, now)

    def saw(self, key: K, item: Item, version: str | None) -> bool:
        """An event of an object, now of this version, or (None) gone. Whether it was expected."""
        if key == self._sending:
            self._overtaken.add(item)
        items = self._awaited.get(key)
        if items is None:
            return False
        awaited = items.pop(item, None)
        if not items:
            del self._awaited[key]
        return awaited is not None and awaited.version == version

    def is_stale(self, key: K, now: float) -> bool:
        """Whether a write of that work is still to be seen."""
        items = self._awaited.get(key, {})
        for item in [each for each, awaited in items.items() if now - awaited.since > PATIENCE]:
            del items[item]
        if not items:
            self._awaited.pop(key, None)
        return bool(items)
