"""What every computation of the index works with: one cluster's objects, and what is derived."""

from linkerd import index
from linkerd.index import Complaints, Subject
from linkerd.kube.objects import Key
from services.destination.index.facts import FactsBook
from services.destination.index.objects import Kind, Objects
from services.destination.index.service_profiles import ProfileBook
from services.destination.model.mesh_settings import MeshSettings


class Context(index.Context[Kind]):
    """One a cluster, of which nothing is known at first."""

    objects: Objects

    def __init__(self, mesh: MeshSettings, complaints: Complaints) -> None:
        super().__init__(Objects(), complaints)
        self.mesh = mesh
        self.facts = FactsBook(mesh, self.objects, self.dependencies, complaints)
        self.profiles = ProfileBook(self.objects, complaints)
        self.derived = (self.facts,)
        self.dependencies.on_idle = self._forget

    def _forget(self, subject: Subject) -> None:
        kind, *rest = subject
        if kind == "facts":
            self.facts.drop(subject)
        elif kind == "profile":
            self.profiles.drop(Key(*rest))
