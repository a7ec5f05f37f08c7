"""Tables in which objects are filed: by their own key, under what they have, under what owns them.

A table holds no empty entries, so what went leaves nothing behind.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import TypeVar

from linkerd.kube.objects import Key

K = TypeVar("K")
V = TypeVar("V")


def put(table: dict[K, V], key: K, now: V | None) -> V | None:
    """Sets or (None) removes an entry; the one that was there."""
    before = table.pop(key, None) if now is None else table.get(key)
    if now is not None:
        table[key] = now
    return before


def move(
    table: dict[K, tuple[Key, ...]], key: Key, before: AbstractSet[K], now: AbstractSet[K]
) -> AbstractSet[K]:
    """Files `key` under `now` where it was filed under `before`; the entries that changed."""
    if before == now:  # most often: few objects have any
        return frozenset()
    for place in now - before:
        table[place] = (*table.get(place, ()), key)
    for place in before - now:
        rest = tuple(other for other in table[place] if other != key)
        put(table, place, rest or None)
    return before ^ now


def refile(
    table: dict[Key, dict[Key, V]], key: Key, was: Key | None, owner: Key | None, now: V | None
) -> Iterator[Key]:
    """Files `now` under its owner, not (if that is another) under the one that it had; the owners
    that are concerned."""
    if was is not None and was != owner:
        siblings = table[was]
        del siblings[key]
        if not siblings:
            del table[was]
        yield was
    if owner is not None and now is not None:
        table.setdefault(owner, {})[key] = now
        yield owner
