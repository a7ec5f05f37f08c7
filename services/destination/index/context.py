"""What every computation of the index works with."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol

from services.destination.index.dependencies import Dependencies
from services.destination.index.facts import FactsBook
from services.destination.index.objects import Objects
from services.destination.index.report import Complaints
from services.destination.index.service_profiles import ProfileBook
from services.destination.model.mesh import Mesh


@dataclass(frozen=True, slots=True)
class Context:
    """One per index."""

    mesh: Mesh
    objects: Objects
    dependencies: Dependencies
    facts: FactsBook
    complaints: Complaints
    profiles: ProfileBook


class View(Protocol):
    """Something that clients follow: it is computed again when it was touched."""

    @property
    def id(self) -> Hashable:
        """What clients ask for it by; first its class."""

    def refresh(self) -> None:
        """Takes in what changed and publishes what differs."""


class Owner(Protocol):
    """Who keeps views; the index."""

    def touched(self, view: View, /) -> None:
        """`view` is out of date."""

    def dropped(self, view: View, /) -> None:
        """The last follower of `view` has left, and it has let go of everything."""
