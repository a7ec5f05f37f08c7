"""What every computation of the index works with: the objects, and what is derived of them."""

from collections.abc import Mapping
from typing import Any

from linkerd import index
from linkerd.index import Complaints, Derived, Subject
from services.policy.index.inbound.answers import AnswerBook, DefaultAnswers, Encode
from services.policy.index.inbound.subjects import ANSWER
from services.policy.index.kinds import Kind
from services.policy.index.objects import Objects
from services.policy.index.outbound.books import OutboundBooks
from services.policy.model.mesh_settings import MeshSettings


class Context(index.Context[Kind]):
    """Of which nothing is known at first."""

    objects: Objects

    def __init__(self, mesh: MeshSettings, complaints: Complaints, encode_port: Encode) -> None:
        super().__init__(Objects(mesh, complaints), complaints)
        self.mesh = mesh
        self.default_answers = DefaultAnswers(mesh, encode_port)
        self.answers = AnswerBook(mesh, self.objects, self.dependencies, complaints, encode_port)
        self.outbound = OutboundBooks(mesh, self.objects.outbound, self.dependencies, complaints)
        # By the kind of their subjects; of values that others are derived from, these come first.
        self._books: Mapping[str, Derived[Any]] = {
            ANSWER: self.answers,
            **self.outbound.by_subject(),
        }
        self.derived = tuple(self._books.values())
        self.dependencies.on_idle = self._forget

    def _forget(self, subject: Subject) -> None:
        book = self._books.get(subject[0])
        if book is not None:
            book.drop(subject)
