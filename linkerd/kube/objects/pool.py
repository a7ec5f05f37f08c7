"""One copy of what many objects repeat.

The pods of a workload carry the same labels, owners, containers and node names; decoded from JSON
each would own a copy. Structs pass such values through a pool on creation (`__post_init__`), which
is what keeps ten thousand pods near a kilobyte each. A pool is bounded: when full it forgets all it
knows, and later objects share among themselves; nothing but memory depends on it.
"""

from collections.abc import Mapping
from typing import Final, Generic, TypeVar

V = TypeVar("V")

_LIMIT: Final = 16_384


class Pool(Generic[V]):
    """Equal hashable values in, the first of them out."""

    __slots__ = ("_limit", "_values")

    def __init__(self, limit: int = _LIMIT) -> None:
        self._values: dict[V, V] = {}
        self._limit = limit

    def share(self, value: V) -> V:
        """The value that stands for all values equal to this one."""
        if len(self._values) >= self._limit:
            self._values.clear()
        return self._values.setdefault(value, value)


class MappingPool:
    """Equal string mappings in, the first of them out. Callers must not change what they get."""

    __slots__ = ("_limit", "_values")

    def __init__(self, limit: int = _LIMIT) -> None:
        self._values: dict[tuple[tuple[str, str], ...], Mapping[str, str]] = {}
        self._limit = limit

    def share(self, value: Mapping[str, str]) -> Mapping[str, str]:
        """The mapping that stands for all mappings with these items, in this order."""
        if not value:
            return EMPTY
        if len(self._values) >= self._limit:
            self._values.clear()
        return self._values.setdefault(tuple(value.items()), value)


EMPTY: Final[Mapping[str, str]] = {}
STRINGS: Final[Pool[str]] = Pool()
LABELS: Final = MappingPool()
ANNOTATIONS: Final = MappingPool()
