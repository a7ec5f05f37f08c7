"""What we read of an API server at most, in one go."""

from dataclasses import dataclass
from typing import Final

_MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """`body` and `line` are bytes, of one answer and of one line of a watch; `page` is how many
    objects a list request asks for, `pages` and `objects` how many one list may have. `patience`
    is in seconds, until the beginning of an answer; a server may let requests queue. While it is
    away it is asked every `interval` seconds, spread between the two, whether it is there;
    `questions` may wait for an answer at once. `buffer` is in bytes, received on a connection and
    not read yet; `rests`: whether others have a turn after each read."""

    body: int
    line: int
    page: int
    pages: int
    objects: int
    patience: float
    interval: tuple[float, float]
    questions: int
    buffer: int
    rests: bool


AT_HOME: Final = Limits(
    body=64 * _MIB,
    line=32 * _MIB,
    page=500,
    pages=20_000,
    objects=2_000_000,
    patience=60.0,
    interval=(0.8, 1.2),
    questions=8,
    buffer=512 * 1024,
    rests=False,
)
"""Of our own server: etcd's objects end near 1.5 MiB, JSON inflates them."""

OF_A_GUEST: Final = Limits(
    body=4 * _MIB,
    line=4 * _MIB,
    page=100,
    pages=2_000,
    objects=200_000,
    patience=10.0,
    interval=(4.0, 6.0),
    questions=1,
    buffer=64 * 1024,
    rests=True,
)
"""Of a server that is not ours. Two pages of each kind may be under way at once."""
