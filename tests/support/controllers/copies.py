"""The smallest thing that writes: a ConfigMap that says `copies: N` is to have N copies."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from prometheus_client import CollectorRegistry

from linkerd.kube.controller.controller import Controller, ControllerMetrics
from linkerd.kube.controller.queue_metrics import QueueFamilies, QueueMetrics
from linkerd.kube.controller.writes import Client, Create, Delete, Patch, Write, difference
from linkerd.kube.events import Applied, Event
from linkerd.kube.objects import ConfigMap, Key
from linkerd.kube.resource import CONFIG_MAPS
from linkerd.runtime.clock import Clock

OF: Final = "example.test/copy-of"
"""Label of a copy."""


class Copies:
    """A planner, its cache and its controller. The key of a copy is that of its original."""

    def __init__(self, client: Client, clock: Clock, registry: CollectorRegistry) -> None:
        self.known: dict[Key, ConfigMap] = {}
        self.controller = Controller(
            self,
            client,
            clock,
            what="copies of the ConfigMap",
            metrics=ControllerMetrics("copies", registry),
            queue_metrics=QueueMetrics("copies", QueueFamilies(registry), clock),
        )
        self.listeners = {
            CONFIG_MAPS.kind: self.controller.listener(CONFIG_MAPS, self.take),
        }

    def take(self, event: Event[ConfigMap]) -> set[Key]:
        """Keeps it; the originals that have to look again."""
        new = event.object
        key = new.metadata.key
        old = self.known.pop(key, None)
        if isinstance(event, Applied):
            self.known[key] = new
        return {_original(each) for each in (old, new) if each is not None}

    def keys(self) -> Iterable[Key]:
        """All originals, those that are gone but have copies too."""
        return {_original(each) for each in self.known.values()}

    def plan(self, key: Key) -> Sequence[Write]:
        """Each copy created, changed or deleted, in the order of their names."""
        return list(self._plan(key))

    def _plan(self, key: Key) -> Iterator[Write]:
        original = self.known.get(key)
        wanted = desired(key, dict(original.data) if original else {})
        there = {
            name.name: each
            for name, each in self.known.items()
            if each.metadata.labels.get(OF) and _original(each) == key
        }
        for name in sorted(wanted.keys() | there.keys()):
            if name not in wanted:
                yield Delete(CONFIG_MAPS, there[name])
            elif name not in there:
                metadata = {"name": name, "namespace": key.namespace, "labels": {OF: key.name}}
                yield Create(CONFIG_MAPS, {"metadata": metadata, "data": wanted[name]})
            else:
                old = there[name]
                change = difference({"data": old.data}, {"data": wanted[name]})
                yield Patch(CONFIG_MAPS, old, change)


def _original(each: ConfigMap) -> Key:
    metadata = each.metadata
    return Key(metadata.namespace, metadata.labels.get(OF, metadata.name))


def desired(key: Key, data: dict[str, str]) -> dict[str, dict[str, str]]:
    """The data of the copies of an original, by name."""
    number = int(data.get("copies", "0"))
    content = {name: value for name, value in data.items() if name != "copies"}
    return {f"{key.name}-{n}": {**content, "number": str(n)} for n in range(number)}


def original(name: str, namespace: str = "ns", **data: str) -> dict[str, Any]:
    """A ConfigMap of this data."""
    return {"metadata": {"name": name, "namespace": namespace}, "data": data}
