"""The index: applies events, flushes what they changed, and lets clients subscribe.

It has one owner and never awaits. Reflectors call the listener of their kind with each batch; the
batch is applied, then what depends on it is computed once and published.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar, cast

from linkerd.kube.events import Event
from linkerd.kube.objects import Key
from linkerd.streams import Subscription
from services.destination.index import ports, profiles
from services.destination.index.audiences import Audience
from services.destination.index.context import Context, View
from services.destination.index.dependencies import Dependencies, Subject
from services.destination.index.errors import NotFoundError, NotServableError
from services.destination.index.facts import FactsBook
from services.destination.index.objects import Kind, Objects
from services.destination.index.ports import EXTERNAL_NAME, PortView
from services.destination.index.profiles import (
    InstanceProfileView,
    ServiceProfileView,
    SocketProfileView,
    WorkloadProfileView,
    declares,
    instance,
)
from services.destination.index.report import Complaints
from services.destination.index.service_profiles import ProfileBook
from services.destination.model.mesh import Mesh

V = TypeVar("V", bound=View)


class Index:
    """What clients may ask for, by what they ask with. `endpoints` and `profile` say how a step
    from one state to the next is told (the encoders of `wire`)."""

    def __init__(self, mesh: Mesh, *, endpoints: ports.Delta, profile: profiles.Delta) -> None:
        self._endpoints_delta = endpoints
        self._profile_delta = profile
        self.objects = Objects()
        self.dependencies = Dependencies()
        self.complaints = Complaints()
        self.facts = FactsBook(mesh, self.objects, self.dependencies, self.complaints)
        self.profiles = ProfileBook(self.objects, self.complaints)
        self.dependencies.on_idle = self._idle
        self._context = Context(
            mesh,
            self.objects,
            self.dependencies,
            self.facts,
            self.complaints,
            self.profiles,
        )
        self.views: dict[Hashable, View] = {}
        self.past_workload_updates = 0  # of views that are gone
        self._outdated: dict[View, None] = {}

    def listener(self, kind: Kind) -> Callable[[Sequence[Event[Any]]], None]:
        """What the reflector of `kind` calls with each batch of events."""

        def on_events(events: Sequence[Event[Any]]) -> None:
            for event in events:
                self.apply(kind, event)
            self.flush()

        return on_events

    def apply(self, kind: Kind, event: Event[Any]) -> None:
        """Takes one event in. Answers change at the next flush."""
        with self.complaints.guarding(kind):
            for subject in self.objects.apply(kind, event):
                self.dependencies.touch(subject)

    def flush(self) -> None:
        """Computes what is out of date and publishes what differs."""
        self.facts.refresh()
        outdated, self._outdated = self._outdated, {}
        for view in outdated:
            if view.id in self.views:  # its last follower may have left while others were woken
                with self.complaints.guarding(view.id):
                    view.refresh()

    def watch_endpoints(self, key: Key, port: int, audience: Audience) -> Subscription:
        """Follows the endpoints of a port of a service. Raises NotFoundError and
        NotServableError."""
        service = self.objects.services.get(key)
        if service is None:
            raise _no_service(key)
        if service.spec.type == EXTERNAL_NAME:
            raise _external(key)
        view = self._view((PortView, key, port), lambda: PortView(self._context, key, port, self))
        return view.subscribe(audience, self._endpoints_delta)

    def watch_service(self, key: Key, port: int, client: str = "") -> Subscription:
        """Follows the profile of a port of a service, for a client of a namespace (or of none that
        is known). Raises NotFoundError or NotServableError."""
        service = self.objects.services.get(key)
        if service is None:
            raise _no_service(key)
        if service.spec.type == EXTERNAL_NAME and declares(service, port):
            raise _external(key)
        view = self._view(
            (ServiceProfileView, key, port, client),
            lambda: ServiceProfileView(self._context, self, self._profile_delta, key, port, client),
        )
        return view.subscribe()

    def watch_socket(self, ip: str, port: int, client: str = "") -> Subscription:
        """Follows the profile of an IP (canonical) and port, for a client of a namespace. Raises
        AmbiguousIpError."""
        view = self._view(
            (SocketProfileView, ip, port, client),
            lambda: SocketProfileView(self._context, self, self._profile_delta, ip, port, client),
        )
        return view.subscribe()

    def watch_instance(self, key: Key, hostname: str, port: int) -> Subscription:
        """Follows the profile of the pod that a service calls `hostname`. Raises NotFoundError."""
        _, ip = instance(self.objects, key, hostname)
        if ip is None:
            raise NotFoundError(
                f"path: service {key.namespace}/{key.name} has no pod {hostname[:100]} with an IP"
            )
        view = self._view(
            (InstanceProfileView, key, hostname, port),
            lambda: InstanceProfileView(
                self._context, self, self._profile_delta, key, hostname, port
            ),
        )
        return view.subscribe()

    def touched(self, view: View) -> None:
        """As `Owner`."""
        self._outdated[view] = None

    def dropped(self, view: View) -> None:
        """As `Owner`."""
        self._outdated.pop(view, None)
        del self.views[view.id]
        if isinstance(view, WorkloadProfileView):
            self.past_workload_updates += view.topic.version - 1

    def topics(self) -> int:
        """How many states clients follow."""
        return sum(
            len(view.audiences) if isinstance(view, PortView) else 1 for view in self.views.values()
        )

    def _view(self, key: tuple[type[V], *tuple[Hashable, ...]], make: Callable[[], V]) -> V:
        view = self.views.get(key)
        if view is None:
            view = self.views[key] = make()
        return cast("V", view)

    def _idle(self, subject: Subject) -> None:
        kind, *rest = subject
        if kind == "facts":
            self.facts.drop(Key(*rest))
        elif kind == "profile":
            self.profiles.drop(Key(*rest))


def _no_service(key: Key) -> NotFoundError:
    return NotFoundError(f"path: no service {key.namespace}/{key.name}")


def _external(key: Key) -> NotServableError:
    name = f"{key.namespace}/{key.name}"
    return NotServableError(f"path: service {name} is of type ExternalName and has no endpoints")
