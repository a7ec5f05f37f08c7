"""Sets of ports, and the grammar of annotations and flags that list them: names, numbers and
ranges, comma-separated, as in `25,80-90,mysql`."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

MAX_PORT: Final = 65535
_RANGE: Final = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class PortSet:
    """Ports, held as ascending ranges that neither touch nor overlap."""

    ranges: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, ranges: Iterable[tuple[int, int]]) -> "PortSet":
        """The set of all ports in `ranges`, bounds included."""
        merged: list[tuple[int, int]] = []
        for low, high in sorted(ranges):
            if merged and low <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], high))
            else:
                merged.append((low, high))
        return cls(tuple(merged))

    def __contains__(self, port: int) -> bool:
        return any(low <= port <= high for low, high in self.ranges)

    def with_ports(self, ports: Iterable[int]) -> "PortSet":
        """This set and `ports`."""
        more = [(port, port) for port in ports]
        return PortSet.of([*self.ranges, *more]) if more else self


NO_PORTS: Final = PortSet()


def parse_ports(
    text: str, names: Mapping[str, int] | None = None
) -> tuple[PortSet, tuple[str, ...]]:
    """The ports that `text` lists and the items that mean nothing.

    `names` are the port names in scope; a name wins over a number. One trailing comma is forgiven.
    """
    items = [item.strip() for item in text.split(",")]
    if not items[-1]:
        items.pop()
    ranges = [(item, _range(item, names or {})) for item in items]
    invalid = tuple(item for item, found in ranges if found is None)
    return PortSet.of(found for _, found in ranges if found is not None), invalid


def _range(item: str, names: Mapping[str, int]) -> tuple[int, int] | None:
    if item in names:
        return names[item], names[item]
    match = _RANGE.fullmatch(item)
    if match is None:
        return None
    low = int(match[1])
    high = int(match[2] or match[1])
    return (low, high) if low <= high <= MAX_PORT else None
