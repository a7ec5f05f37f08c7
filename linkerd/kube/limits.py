"""What we take of an API server at most."""

from dataclasses import dataclass
from typing import Final

_MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """`body` and `line` are bytes: of one answer, and of one line of a watch."""

    body: int
    line: int


AT_HOME: Final = Limits(body=64 * _MIB, line=32 * _MIB)
"""Of our own server: etcd's objects end near 1.5 MiB, JSON inflates them."""
