"""Where things with labels and those who look for them by selectors meet, so that neither goes
through all of the others."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from linkerd.kube.objects import LabelSelector

K = TypeVar("K")
V = TypeVar("V")

Place = tuple[str, ...]
"""A scope, in which things are that have something in common: all of it, or what has a certain
label there."""


def places_of(scope: Place, labels: Mapping[str, str]) -> Iterator[Place]:
    """All places of a thing."""
    yield scope
    for label in labels.items():
        yield *scope, *label


def place_of(scope: Place, selector: LabelSelector) -> Place:
    """A place of all things that `selector` selects."""
    return (*scope, *next(iter(selector.match_labels.items()), ()))


class Placed(dict[Place, dict[K, V]], Generic[K, V]):
    """What is at each place, by its own key."""

    def place(self, key: K, value: V, places: Iterable[Place]) -> None:
        """Puts something at these places."""
        for place in places:
            self.setdefault(place, {})[key] = value

    def remove(self, key: K, places: Iterable[Place]) -> None:
        """Takes it away from the places at which it is."""
        for place in places:
            rest = self[place]
            del rest[key]
            if not rest:
                del self[place]

    def near(self, places: Iterable[Place]) -> Mapping[K, V]:
        """All that is at one of these places."""
        found: dict[K, V] = {}
        for place in places:
            if place in self:
                found |= self[place]
        return found
