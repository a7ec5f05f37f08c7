"""A destination without an API server, for tests: objects in, what a proxy hears out.

Everything but the reflectors and the transport is the real thing. Each reader checks the proxy's
rules as it reads.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from linkerd.index import Pace
from linkerd.kube.events import Applied, Deleted
from linkerd.kube.objects import Endpoints as KubeEndpoints
from linkerd.kube.objects import (
    EndpointSlice,
    ExternalWorkload,
    Key,
    KubeObject,
    Server,
    Service,
    ServiceProfile,
    TrafficSplit,
)
from linkerd.mesh.authority import IpTarget, parse_authority, with_port
from linkerd.mesh.names import IdentityDomain
from linkerd.mesh.ports import PortSet
from linkerd.streams import Subscription, drain
from linkerd.stubs.proxy import destination_pb2 as pb
from services.destination.index import Index, Kind
from services.destination.index.audiences import Audience
from services.destination.index.context import Context
from services.destination.model.http2 import Http2Params
from services.destination.model.mesh_settings import MeshSettings
from services.destination.pods import Pod
from services.destination.wire.addresses import AddressEncoder
from services.destination.wire.endpoints import EndpointDeltas
from services.destination.wire.profiles import ProfileDeltas
from tests.support.proxy_rules import Endpoints, ProfileReader, socket_of

DOMAIN: Final = "mesh.test"
_KINDS: Final[dict[type, Kind]] = {
    Pod: Kind.POD,
    Service: Kind.SERVICE,
    EndpointSlice: Kind.SLICE,
    KubeEndpoints: Kind.ENDPOINTS,
    ExternalWorkload: Kind.EXTERNAL_WORKLOAD,
    Server: Kind.SERVER,
    ServiceProfile: Kind.PROFILE,
    TrafficSplit: Kind.SPLIT,
}


def make_mesh(**changes: Any) -> MeshSettings:
    """The mesh of the test catalogue."""
    settings: dict[str, Any] = {
        "identities": IdentityDomain("linkerd", f"trust.{DOMAIN}"),
        "cluster_domain": DOMAIN,
        "opaque_ports": PortSet.of([(25, 25), (3306, 3306)]),
    }
    return MeshSettings(**(settings | changes))


class EndpointStream:
    """A `Get` stream and the proxy at its end."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.reader = Endpoints()
        self.wakes = 0
        subscription.on_wake(self._woken)

    def reconnect(self, subscription: Subscription) -> None:
        """The proxy opens another stream; it keeps what it knows until that says something."""
        self.subscription = subscription
        self.reader.reconnect()
        subscription.on_wake(self._woken)

    def _woken(self) -> None:
        self.wakes += 1

    def read(self) -> list[str]:
        """What came, such as `["add 10.4.0.7:8080", "remove 10.4.0.6:8080"]`."""
        return [_text(self.reader.take(raw)) for raw in drain(self.subscription)]

    @property
    def sockets(self) -> set[str]:
        """What the proxy would balance over."""
        return {with_port(*socket) for socket in self.reader.known}

    def address(self, socket: str) -> pb.WeightedAddr:
        """What the proxy knows about an endpoint."""
        known = {with_port(*at): raw for at, raw in self.reader.known.items()}
        return pb.WeightedAddr.FromString(known[socket])


class ProfileStream:
    """A `GetProfile` stream and the proxy at its end."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.reader = ProfileReader()

    def reconnect(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.reader.reconnect()

    def read(self) -> list[pb.DestinationProfile]:
        """What came."""
        return [self.reader.take(raw) for raw in drain(self.subscription)]

    def one(self) -> pb.DestinationProfile:
        """The one message that came."""
        (profile,) = self.read()
        return profile


class World:
    """An index and its clients."""

    def __init__(
        self, http2: Http2Params | None = None, *, pace: Pace | None = None, **mesh: Any
    ) -> None:
        encoder = AddressEncoder(http2)
        self.mesh = make_mesh(**mesh)
        self.index = Index(
            self.mesh,
            endpoints=EndpointDeltas(encoder),
            profile=ProfileDeltas(encoder),
            pace=pace,
        )

    def apply(self, *objects: Any, kind: Kind | None = None) -> None:
        """Objects come or change, in one batch. `kind` is needed where the type does not tell."""
        self._send(Applied, objects, kind)

    def delete(self, *objects: Any, kind: Kind | None = None) -> None:
        """Objects go, in one batch."""
        self._send(Deleted, objects, kind)

    def get(self, path: str, node: str = "") -> EndpointStream:
        """Opens a `Get` stream."""
        target = parse_authority(path, DOMAIN)
        assert not isinstance(target, IpTarget)  # a mistake in a test
        key = Key(target.namespace, target.service)
        audience = Audience(target.hostname, node)
        return EndpointStream(self.index.watch_endpoints(key, target.port, audience))

    def profile(self, path: str, client: str = "") -> ProfileStream:
        """Opens a `GetProfile` stream of a client of that namespace."""
        target = parse_authority(path, DOMAIN)
        if isinstance(target, IpTarget):
            return ProfileStream(self.index.watch_socket(target.ip, target.port, client))
        key = Key(target.namespace, target.service)
        if target.hostname:
            return ProfileStream(self.index.watch_instance(key, target.hostname, target.port))
        return ProfileStream(self.index.watch_service(key, target.port, client))

    def follow(self, query: tuple[str, str, str]) -> Subscription:
        """Opens a stream: of method "get", from a node, or else of "profile", of a namespace; both
        of a path."""
        method, path, where = query
        stream = self.get(path, where) if method == "get" else self.profile(path, where)
        return stream.subscription

    def cluster(self, name: str) -> "LinkedWorld":
        """A linked cluster that is being read; it counts once it is `link`ed."""
        identities = IdentityDomain("linkerd", f"trust.{name}.test")
        return LinkedWorld(self, name, self.index.open_cluster(name, identities, f"{name}.test"))

    def _send(
        self,
        event: Callable[[Any], Any],
        objects: Sequence[KubeObject],
        kind: Kind | None,
        cluster: Context | None = None,
    ) -> None:
        for item in objects:
            self.index.apply(kind or _KINDS[type(item)], event(item), cluster)
        self.index.flush()


class LinkedWorld:
    """A linked cluster of a world."""

    def __init__(self, world: World, name: str, context: Context) -> None:
        self._world = world
        self.name = name
        self.context = context

    def apply(self, *objects: Any, kind: Kind | None = None) -> None:
        """Objects come or change there, in one batch."""
        self._world._send(Applied, objects, kind, self.context)  # a part of it

    def delete(self, *objects: Any, kind: Kind | None = None) -> None:
        """Objects go there, in one batch."""
        self._world._send(Deleted, objects, kind, self.context)  # a part of it

    def link(self) -> None:
        """It has been read."""
        self._world.index.link(self.name, self.context)


def _text(update: pb.Update) -> str:
    kind = update.WhichOneof("update")
    if kind == "add":
        addresses = [item.addr for item in update.add.addrs]
    else:
        addresses = list(update.remove.addrs)
    return " ".join([str(kind), *sorted(with_port(*socket_of(item)) for item in addresses)])
