"""What writes statuses, beside a store of the test's own."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

import msgspec
from prometheus_client import CollectorRegistry

from linkerd.kube.client import KubeClient
from linkerd.kube.controller.controller import Controller
from linkerd.kube.controller.writes import Client
from linkerd.kube.events import Event
from linkerd.kube.objects import Key
from linkerd.kube.resource import Resource
from linkerd.runtime.clock import Clock
from services.policy.index.kinds import Kind
from services.policy.resources import RESOURCES
from services.policy.status import StatusWriter
from tests.support.clock import FakeClock
from tests.support.controllers.replica import Replica
from tests.support.controllers.store import Store
from tests.support.policy.inbound import make_index
from tests.support.policy.status_makers import KINDS
from tests.support.policy.status_model import CONTROLLER, Document, Model, written

# By names of their own: there are two kinds of HTTPRoutes.
READ: Final[Mapping[Kind, Resource[Any]]] = {
    kind: msgspec.structs.replace(RESOURCES[kind], kind=kind.value) for kind in KINDS
}


class Writer:
    """A writer behind an index, as the service has them."""

    def __init__(self, client: Client, clock: Clock, registry: CollectorRegistry) -> None:
        self.index = make_index()
        self._writer = StatusWriter(
            cast("KubeClient", client),
            self.index.home.objects,
            "linkerd",
            "me",
            clock,
            registry,
        )
        self.listeners = {kind.value: self._listener(kind) for kind in READ}

    @property
    def controller(self) -> Controller[Any]:
        return self._writer.controller

    def _listener(self, kind: Kind) -> Callable[[Sequence[Event[Any]]], None]:
        file, look = self.index.listener(kind), self._writer.listeners.get(kind)

        def on_events(events: Sequence[Event[Any]]) -> None:
            file(events)
            if look is not None:
                look(events)

        return on_events


def put(store: Store, kind: Kind, document: Document) -> None:
    """Somebody creates an object, or makes its spec and metadata these; its status stays."""
    metadata = document["metadata"]
    known = store.objects.get((kind.value, Key(metadata["namespace"], metadata["name"])), {})
    kept = {"status": known["status"]} if "status" in known else {}
    store.put(READ[kind], {**document, **kept})


def check(store: Store) -> None:
    """Every status says what the model says, and what others wrote is there still. Raises
    AssertionError."""
    documents = {kind: store.of(resource) for kind, resource in READ.items()}
    for kind, document, verdict in Model(documents).all():
        assert written(kind, document) == verdict, document


class Desk:
    """A store, and a replica that leads and is in step whenever `settled` returns."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = Store(self.clock, *READ.values())
        self.replica = Replica(self.store, self.clock, list(READ.values()), Writer)

    def put(self, kind: Kind, name: str, spec: Document, **metadata: Any) -> None:
        """Somebody creates or changes an object."""
        at = {"name": name, "namespace": "fin", **metadata}
        put(self.store, kind, {"metadata": at, "spec": spec})

    def remove(self, kind: Kind, name: str) -> None:
        """Somebody deletes one."""
        self.store.remove(READ[kind], Key("fin", name))

    def overwrite(self, kind: Kind, name: str, status: Document) -> None:
        """Somebody writes a status."""
        self.store.patch(READ[kind], Key("fin", name), {"status": status})

    async def settled(self) -> None:
        """All is written that is to be written."""
        self.replica.lead()
        await self.replica.rest()

    def status(self, kind: Kind, name: str) -> Document:
        """What the status of an object says; empty if it has none."""
        found: Document = self.store.objects[kind.value, Key("fin", name)].get("status", {})
        return found

    def at(self, kind: Kind, name: str) -> dict[str, dict[str, tuple[str, str]]]:
        """Of a route: the status and reason of each condition of ours, by parent and by type."""
        return {
            _shown(entry["parentRef"]): _plain(entry["conditions"])
            for entry in self.status(kind, name)["parents"]
            if entry["controllerName"] == CONTROLLER
        }

    def of(self, kind: Kind, name: str) -> dict[str, tuple[str, str]]:
        """Of a policy: the status and reason of each condition, by type."""
        return _plain(self.status(kind, name)["conditions"])

    @property
    def writes(self) -> int:
        """How many writes there were."""
        return len(self.store.written)


def _shown(reference: Document) -> str:
    port = f":{reference['port']}" if "port" in reference else ""
    return f"{reference['kind']}/{reference['name']}{port}"


def _plain(conditions: Sequence[Document]) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["status"], each.get("reason", "")) for each in conditions}
