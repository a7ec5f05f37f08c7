"""What pods and ExternalWorkloads are to the mesh: everything about them that answers need, derived
once per change.

Facts are kept for the workloads that answers refer to, and only for those. When one of them, its
owner or a Server of its namespace changes, its facts are derived again, and only if they differ do
the answers hear of it; most changes of pods end here.
"""

from collections.abc import Callable
from typing import Final

from linkerd.kube.objects import Key
from services.destination.index import dependencies as on
from services.destination.index.dependencies import Dependencies, Dependent, Subject
from services.destination.index.objects import Objects
from services.destination.index.opacity import Sources
from services.destination.index.pod_facts import PodFacts, pod_facts
from services.destination.index.report import Complaints
from services.destination.index.workload_facts import WorkloadFacts, workload_facts
from services.destination.model.mesh import Mesh

Facts = PodFacts | WorkloadFacts


def of_pod(key: Key) -> Subject:
    """What a pod is to the mesh."""
    return on.facts(PodFacts.kind, *key)


def of_workload(key: Key) -> Subject:
    """What an ExternalWorkload is to the mesh."""
    return on.facts(WorkloadFacts.kind, *key)


class _Entry(Dependent):
    """The facts of one workload; None while there is no such one."""

    __slots__ = ("_book", "facts", "subject")

    def __init__(self, book: "FactsBook", subject: Subject) -> None:
        super().__init__()
        self._book = book
        self.subject = subject
        self.facts: Facts | None = None

    def touch(self) -> None:
        self._book.outdated[self] = None


class FactsBook:
    """The facts of all workloads that answers refer to, by `of_pod(...)` and `of_workload(...)`."""

    def __init__(
        self, mesh: Mesh, objects: Objects, dependencies: Dependencies, complaints: Complaints
    ) -> None:
        self._sources = Sources(mesh, objects, complaints)
        self._dependencies = dependencies
        self._entries: dict[Subject, _Entry] = {}
        self.outdated: dict[_Entry, None] = {}
        self._derivers: Final[dict[str, Callable[[_Entry, Key], Facts | None]]] = {
            PodFacts.kind: self._pod,
            WorkloadFacts.kind: self._workload,
        }

    def at(self, subject: Subject) -> Facts | None:
        """The facts of a workload, None if there is no such one. Whoever asks must watch `subject`
        by the end of its computation; that is what keeps the entry."""
        entry = self._entries.get(subject)
        if entry is None:
            entry = self._entries[subject] = _Entry(self, subject)
            entry.facts = self._derive(entry)
        return entry.facts

    def drop(self, subject: Subject) -> None:
        """Nobody refers to this workload any more."""
        entry = self._entries.pop(subject, None)
        if entry is not None:
            self.outdated.pop(entry, None)
            self._dependencies.watch(entry, frozenset())

    def refresh(self) -> None:
        """Derives again what is out of date and touches those whom a difference concerns."""
        outdated, self.outdated = self.outdated, {}
        for entry in outdated:
            with self._sources.complaints.guarding(entry.subject):
                facts = self._derive(entry)
                if facts != entry.facts:
                    entry.facts = facts
                    self._dependencies.touch(entry.subject)

    def __len__(self) -> int:
        return len(self._entries)

    def _derive(self, entry: _Entry) -> Facts | None:
        _, kind, *key = entry.subject
        facts = self._derivers[kind](entry, Key(*key))
        if facts is None:
            self._sources.complaints.forget(kind, *key)
        return facts

    def _pod(self, entry: _Entry, key: Key) -> PodFacts | None:
        pod = self._sources.objects.pods.get(key)
        subjects: set[Subject] = {on.pod(*key), on.servers(key.namespace)}
        if pod is not None and len(pod.metadata.owner_references) == 1:
            reference = pod.metadata.owner_references[0]
            subjects.add(on.owner(reference.kind, key.namespace, reference.name))
        self._dependencies.watch(entry, subjects)
        return pod_facts(self._sources, pod) if pod is not None else None

    def _workload(self, entry: _Entry, key: Key) -> WorkloadFacts | None:
        self._dependencies.watch(entry, {on.workload(*key), on.servers(key.namespace)})
        workload = self._sources.objects.workloads.get(key)
        return workload_facts(self._sources, workload) if workload is not None else None
