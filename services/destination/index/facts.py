"""What pods and ExternalWorkloads are to the mesh: everything about them that answers need, derived
once per change.

Facts are kept for the workloads that answers refer to, and only for those. When one of them, its
owner or a Server of its namespace changes, its facts are derived again, and only if they differ do
the answers hear of it; most changes of pods end here.
"""

from collections.abc import Callable
from typing import Final

from linkerd.index import Complaints, Dependencies, Derived, Subject, Watch
from linkerd.kube.objects import Key
from services.destination.index import subjects as on
from services.destination.index.objects import Objects
from services.destination.index.opaque_ports import Inputs
from services.destination.index.pod_facts import PodFacts, pod_facts
from services.destination.index.workload_facts import WorkloadFacts, workload_facts
from services.destination.model.mesh_settings import MeshSettings

Facts = PodFacts | WorkloadFacts


def of_pod(key: Key) -> Subject:
    """What a pod is to the mesh."""
    return on.facts(PodFacts.kind, *key)


def of_workload(key: Key) -> Subject:
    """What an ExternalWorkload is to the mesh."""
    return on.facts(WorkloadFacts.kind, *key)


class FactsBook(Derived[Facts]):
    """The facts of all workloads that answers refer to, by `of_pod(...)` and `of_workload(...)`."""

    def __init__(
        self,
        mesh: MeshSettings,
        objects: Objects,
        dependencies: Dependencies,
        complaints: Complaints,
    ) -> None:
        super().__init__(self._derive_facts, dependencies, complaints)
        self._inputs = Inputs(mesh, objects, complaints)
        self._derivers: Final[dict[str, Callable[[Key, Watch], Facts | None]]] = {
            PodFacts.kind: self._pod,
            WorkloadFacts.kind: self._workload,
        }

    def _derive_facts(self, subject: Subject, watch: Watch) -> Facts | None:
        _, kind, *key = subject
        facts = self._derivers[kind](Key(*key), watch)
        if facts is None:
            self._inputs.complaints.forget(kind, *key)
        return facts

    def _pod(self, key: Key, watch: Watch) -> PodFacts | None:
        pod = self._inputs.objects.pods.get(key)
        subjects: set[Subject] = {on.pod(*key), on.servers(key.namespace)}
        if pod is not None and len(pod.metadata.owner_references) == 1:
            reference = pod.metadata.owner_references[0]
            subjects.add(on.owner(reference.kind, key.namespace, reference.name))
        watch(subjects)
        return pod_facts(self._inputs, pod) if pod is not None else None

    def _workload(self, key: Key, watch: Watch) -> WorkloadFacts | None:
        watch({on.workload(*key), on.servers(key.namespace)})
        workload = self._inputs.objects.workloads.get(key)
        return workload_facts(self._inputs, workload) if workload is not None else None
