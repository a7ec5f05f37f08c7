"""The index: what clients may subscribe to."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from linkerd import index
from linkerd.index import Complaints, Pace, View
from linkerd.kube.objects import Key, Service
from linkerd.mesh.names import IdentityDomain
from linkerd.streams import Subscription
from services.destination.index import ports, profiles
from services.destination.index.audiences import Audience
from services.destination.index.clusters import Clusters
from services.destination.index.context import Context
from services.destination.index.errors import (
    NotFoundError,
    NotReadError,
    NotServableError,
    TooManyPortsError,
)
from services.destination.index.merged import EXTERNAL_NAME
from services.destination.index.objects import Kind
from services.destination.index.origins import HOME, is_federated, origins_of
from services.destination.index.ports import PortView
from services.destination.index.profiles import (
    InstanceProfileView,
    ServiceProfileView,
    SocketProfileView,
    WorkloadProfileView,
    declares,
    instance,
)
from services.destination.model.mesh_settings import MeshSettings

MAX_UNDECLARED: Final = 16
"""Ports that a service does not declare and is followed at all the same."""

_SHOWN: Final = 100  # characters of a name, in a message to a client


class Index(index.Index[Kind, Context]):
    """What clients may ask for, by what they ask with. `endpoints` and `profile` say how a step
    from one state to the next is told (the encoders of `wire`)."""

    def __init__(
        self,
        mesh: MeshSettings,
        *,
        endpoints: ports.Delta,
        profile: profiles.Delta,
        pace: Pace | None = None,
    ) -> None:
        super().__init__(Context(mesh, Complaints()), pace)
        self._endpoints_delta = endpoints
        self._profile_delta = profile
        self._mesh = mesh
        self.clusters = Clusters(self.home)
        self.past_workload_updates = 0  # of views that are gone
        self._ports: dict[Key, set[int]] = {}  # that services are followed at

    def contexts(self) -> Iterable[Context]:
        return self.clusters

    def open_cluster(self, name: str, identities: IdentityDomain, domain: str) -> Context:
        """Room for what is read of a linked cluster, which nobody sees before it is `linked`.
        `identities` is where its workloads' names live, `domain` the suffix of its names."""
        mesh = replace(self._mesh, identities=identities, cluster_domain=domain)
        return Context(mesh, Complaints(name, self.tally))

    def link(self, name: str, cluster: Context) -> None:
        """The cluster `name` has been read: it counts from now on, instead of what was known."""
        self.clusters.link(name, cluster)
        self.flush()

    def unlink(self, name: str) -> None:
        """There is no such cluster any more."""
        self.clusters.unlink(name)
        self.flush()

    def watch_endpoints(self, key: Key, port: int, audience: Audience) -> Subscription:
        """Follows the endpoints of a port of a service, of ours or of what it stands for. Raises
        NotFoundError, NotServableError, MislabelledError and NotReadError."""
        service = self.home.objects.services.get(key)
        if service is None:
            raise _no_service(key)
        if not is_federated(service):
            self._check_origin(key, service)
        if (PortView, key, port) not in self.views and not declares(service, port):
            self._check_ports(key, service)
        view = self.view(
            (PortView, key, port),
            lambda: PortView(self.clusters, self, self._endpoints_delta, key, port),
        )
        self._ports.setdefault(key, set()).add(port)
        subscription = view.subscribe(audience)
        self.flush()  # its first state, if there is none yet
        return subscription

    def _check_ports(self, key: Key, service: Service) -> None:
        followed = self._ports.get(key, ())
        if sum(not declares(service, port) for port in followed) >= MAX_UNDECLARED:
            raise TooManyPortsError(
                f"path: service {_shown(key)} is followed at {MAX_UNDECLARED} ports that it does "
                "not declare; that is the most"
            )

    def _check_origin(self, key: Key, service: Service) -> None:
        (origin,) = origins_of(key, service, lambda _part, _problem: None)
        if origin.cluster == HOME:
            if service.spec.type == EXTERNAL_NAME:
                raise _external(key)
        elif self.clusters.get(origin.cluster) is None:
            where = f"path: {key.namespace}/{key.name} is of cluster {origin.cluster[:100]!r}, "
            if self.clusters.is_announced(origin.cluster):
                raise NotReadError(f"{where}which has not been read yet")
            raise NotFoundError(f"{where}which is not linked")

    def watch_service(self, key: Key, port: int, client: str = "") -> Subscription:
        """Follows the profile of a port of a service, for a client of a namespace (or of none that
        is known). Raises NotFoundError or NotServableError."""
        service = self.home.objects.services.get(key)
        if service is None:
            raise _no_service(key)
        if service.spec.type == EXTERNAL_NAME and declares(service, port):
            raise _external(key)
        view = self.view(
            (ServiceProfileView, key, port, client),
            lambda: ServiceProfileView(self.home, self, self._profile_delta, key, port, client),
        )
        return view.subscribe()

    def watch_socket(self, ip: str, port: int, client: str = "") -> Subscription:
        """Follows the profile of an IP (canonical) and port, for a client of a namespace. Raises
        AmbiguousIpError."""
        view = self.view(
            (SocketProfileView, ip, port, client),
            lambda: SocketProfileView(self.home, self, self._profile_delta, ip, port, client),
        )
        return view.subscribe()

    def watch_instance(self, key: Key, hostname: str, port: int) -> Subscription:
        """Follows the profile of the pod that a service calls `hostname`. Raises NotFoundError."""
        _, ip = instance(self.home.objects, key, hostname)
        if ip is None:
            raise NotFoundError(
                f"path: service {_shown(key)} has no pod {hostname[:_SHOWN]} with an IP"
            )
        view = self.view(
            (InstanceProfileView, key, hostname, port),
            lambda: InstanceProfileView(self.home, self, self._profile_delta, key, hostname, port),
        )
        return view.subscribe()

    def dropped(self, view: View) -> None:
        super().dropped(view)
        if isinstance(view, PortView):
            ports = self._ports[view.key]
            ports.discard(view.port)
            if not ports:
                del self._ports[view.key]
        if isinstance(view, WorkloadProfileView):
            self.past_workload_updates += view.topic.version - 1

    def topics(self) -> int:
        """How many states clients follow."""
        return sum(
            len(view.audiences) if isinstance(view, PortView) else 1 for view in self.views.values()
        )


def _no_service(key: Key) -> NotFoundError:
    return NotFoundError(f"path: no service {_shown(key)}")


def _external(key: Key) -> NotServableError:
    name = f"{key.namespace}/{key.name}"
    return NotServableError(f"path: service {name} is of type ExternalName and has no endpoints")


def _shown(key: Key) -> str:
    """What a request asked for, which may be anything: long trailers break connections."""
    return f"{key.namespace[:_SHOWN]}/{key.name[:_SHOWN]}"
