"""What every computation of the index works with: one cluster's objects, and what is derived."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol

from linkerd.kube.objects import Key
from services.destination.index.dependencies import Dependencies, Subject
from services.destination.index.facts import FactsBook
from services.destination.index.objects import Objects
from services.destination.index.report import Complaints
from services.destination.index.service_profiles import ProfileBook
from services.destination.model.mesh import Mesh


@dataclass(frozen=True, slots=True)
class Context:
    """One a cluster."""

    mesh: Mesh
    objects: Objects
    dependencies: Dependencies
    facts: FactsBook
    complaints: Complaints
    profiles: ProfileBook


def make_context(mesh: Mesh, complaints: Complaints) -> Context:
    """The context of a cluster of which nothing is known yet."""
    objects, dependencies = Objects(), Dependencies()
    facts = FactsBook(mesh, objects, dependencies, complaints)
    profiles = ProfileBook(objects, complaints)

    def forget(subject: Subject) -> None:
        kind, *rest = subject
        if kind == "facts":
            facts.drop(subject)
        elif kind == "profile":
            profiles.drop(Key(*rest))

    dependencies.on_idle = forget
    return Context(mesh, objects, dependencies, facts, complaints, profiles)


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
