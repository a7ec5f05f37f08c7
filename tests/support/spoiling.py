"""Spoils JSON documents: a field missing, of another type, empty, huge, or somebody else's."""

from collections.abc import Iterator
from copy import deepcopy
from random import Random
from typing import Any, Final

_HUGE: Final = "x" * 100_000
ODD: Final[list[Any]] = [
    *(None, True, False, 0, -1, 1, 65535, 65536, 2**31, 2**63, -(2**63), 0.5, -1e308),
    *(
        "",
        " ",
        "a b",
        "Ä",
        "\0",
        "-",
        ".",
        "..",
        "a.b",
        "#0",
        "10.0.0.1",
        "::1",
        "fe80::1%e",
        _HUGE,
    ),
    *(
        _HUGE,
        "80",
        "0.0.0.0:65535",
        "0-65535",
        "65536",
        ",,,",
        "-1m",
        "1e99",
        "999999999999h",
        "NaN",
        "(",
        "Pod",
    ),
    *([], [None], [[]], {}, {"": ""}, [{}], {"name": None}, ["a"] * 1_000),
]
"""Values that fit nowhere, or where they should not."""


def spoil(document: dict[str, Any], random: Random) -> dict[str, Any]:
    """A copy of `document` with one to three things wrong with it."""
    spoiled = deepcopy(document)
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        places = list(_places(spoiled))
        if places:
            _spoil_one(*random.choice(places), random)
    return spoiled


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in the document with each of its keys or indexes."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


def _spoil_one(container: Any, key: Any, random: Random) -> None:
    match random.randrange(5):
        case 0:
            del container[key]
        case 1 if isinstance(container, list):
            container.append(deepcopy(container[key]))
        case 2 if isinstance(container, dict):
            container[key] = deepcopy(random.choice(list(container.values())))
        case _:
            container[key] = deepcopy(random.choice(ODD))
