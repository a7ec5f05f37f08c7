"""What writes a condition into the status of each Service, and leaves those of others alone."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from prometheus_client import CollectorRegistry

from linkerd.kube.controller.controller import Controller, ControllerMetrics
from linkerd.kube.controller.queue_metrics import QueueFamilies, QueueMetrics
from linkerd.kube.controller.writes import Client, Patch, Write, difference
from linkerd.kube.events import Applied, Event
from linkerd.kube.objects import Key, ObjectMeta
from linkerd.kube.resource import SERVICES, Resource
from linkerd.runtime.clock import Clock
from tests.support.controllers.replica import Make

Condition = dict[str, Any]


class _Status(msgspec.Struct, frozen=True):
    conditions: tuple[Condition, ...] = ()


class Judged(msgspec.Struct, frozen=True):
    """A Service, of which only the status matters."""

    metadata: ObjectMeta
    status: _Status = _Status()


JUDGED: Final[Resource[Judged]] = SERVICES.into(Judged)


class Verdicts:
    """A planner and its controller, of one condition."""

    def __init__(
        self, condition: str, client: Client, clock: Clock, registry: CollectorRegistry
    ) -> None:
        self._condition = condition
        self._known: dict[Key, Judged] = {}
        self.controller = Controller(
            self,
            client,
            clock,
            what="the status of the Service",
            metrics=ControllerMetrics("verdicts", registry),
            queue_metrics=QueueMetrics("verdicts", QueueFamilies(registry), clock),
        )
        self.listeners = {JUDGED.kind: self.controller.listener(JUDGED, self._take)}

    @staticmethod
    def of(condition: str) -> Make:
        """What makes one."""
        return lambda client, clock, registry: Verdicts(condition, client, clock, registry)

    def keys(self) -> Iterable[Key]:
        """All Services."""
        return self._known

    def plan(self, key: Key) -> Sequence[Write]:
        """Our condition beside those of others, in whichever order these are."""
        service = self._known.get(key)
        if service is None:
            return ()
        there = service.status.conditions
        mine = {
            "type": self._condition,
            "status": "True",
            "reason": "Judged",
            "message": "",
            "lastTransitionTime": "2030-01-01T00:00:00Z",
        }
        others = [each for each in there if each["type"] != self._condition]
        kept = there if mine in there else (*others, mine)
        change = difference({"conditions": there}, {"conditions": kept})
        return [Patch(JUDGED, service, {"status": change} if change else {}, "status")]

    def _take(self, event: Event[Judged]) -> set[Key]:
        key = event.object.metadata.key
        self._known.pop(key, None)
        if isinstance(event, Applied):
            self._known[key] = event.object
        return {key}
