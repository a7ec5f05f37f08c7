"""One copy of what many objects repeat.

The pods of a workload carry the same labels, owners, containers and node names; decoded from JSON
each would own a copy. Structs pass such values through a pool on creation (`__post_init__`), which
is what keeps ten thousand pods near a kilobyte each. A pool is bounded, in values and in bytes, for
it outlives the objects: when full it forgets all it knows, and later objects share among
themselves. Nothing but memory depends on it.
"""

from collections.abc import Mapping
from typing import Final, Generic, TypeVar

from linkerd.kube.weight import weigh

V = TypeVar("V")

_LIMIT: Final = 16_384
_MEMORY: Final = 8 * 1024 * 1024  # bytes
_LARGEST: Final = 16 * 1024  # bytes of a value; larger ones are seldom equal

K = TypeVar("K")


class _Known(Generic[K, V]):
    """Values by what makes them equal."""

    __slots__ = ("_limit", "_memory", "_values")

    def __init__(self, limit: int = _LIMIT) -> None:
        self._values: dict[K, V] = {}
        self._limit = limit
        self._memory = 0

    def _keep(self, key: K, value: V) -> V:
        """Keeps the first value under its key, unless it is large; the value."""
        size = weigh(value)
        if size > _LARGEST:
            return value
        if len(self._values) >= self._limit or self._memory + size > _MEMORY:
            self._values.clear()
            self._memory = 0
        self._values[key] = value
        self._memory += size
        return value


class Pool(_Known[V, V]):
    """Equal hashable values in, the first of them out."""

    __slots__ = ()

    def share(self, value: V) -> V:
        """The value that stands for all values equal to this one."""
        known = self._values.get(value)
        return self._keep(value, value) if known is None else known


class MappingPool(_Known[tuple[tuple[str, str], ...], Mapping[str, str]]):
    """Equal string mappings in, the first of them out. Callers must not change what they get."""

    __slots__ = ()

    def share(self, value: Mapping[str, str]) -> Mapping[str, str]:
        """The mapping that stands for all mappings with these items, in this order."""
        if not value:
            return EMPTY
        key = tuple(value.items())
        known = self._values.get(key)
        return self._keep(key, value) if known is None else known


EMPTY: Final[Mapping[str, str]] = {}
STRINGS: Final[Pool[str]] = Pool()
LABELS: Final = MappingPool()
ANNOTATIONS: Final = MappingPool()
