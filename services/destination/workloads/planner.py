"""Which slices of which service are to be written, from the objects that are known."""

from collections.abc import Iterable, Sequence

from linkerd.kube.controller.writes import Write
from linkerd.kube.objects import Key
from services.destination.workloads.documents import writes_of
from services.destination.workloads.endpoints import Odd
from services.destination.workloads.objects import Objects
from services.destination.workloads.plan import plan


class SlicePlanner:
    """Keys are those of services. `odd` hears of workloads that cannot be used as they are."""

    def __init__(self, objects: Objects, odd: Odd) -> None:
        self._objects = objects
        self._odd = odd

    def keys(self) -> Iterable[Key]:
        """All services that have, or may need, slices of ours."""
        return self._objects.all_concerned()

    def plan(self, key: Key) -> Sequence[Write]:
        """What to write for a service; nothing for one that is gone, whose slices go with it."""
        service = self._objects.service(key)
        if service is None:
            return ()
        workloads = self._objects.workloads.of(key.namespace)
        slices = self._objects.slices.of(key)
        return writes_of(plan(service, workloads, slices, self._odd))
