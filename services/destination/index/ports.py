"""A port of a service that somebody asks for: its slices merged, filtered, published.

A port has a source for each service whose endpoints it gives out: its own, usually, or those of
linked clusters and of fellow members. Each source is merged and filtered by itself; what is
published are the endpoint sets of all sources.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from linkerd.kube.objects import EndpointSlice, Key, Service
from linkerd.labels import REMOTE_CLUSTER_NAME, REMOTE_SERVICE_FQ_NAME
from linkerd.streams import Cursor, Topic
from services.destination.index import dependencies as on
from services.destination.index.audiences import (
    Addresses,
    Audience,
    Census,
    Filter,
    Selection,
    differences,
)
from services.destination.index.clusters import Clusters
from services.destination.index.context import Context, Owner
from services.destination.index.dependencies import NOTHING, Dependent, Subject
from services.destination.index.errors import MislabelledError
from services.destination.index.origins import HOME, Origin, origins_of
from services.destination.index.parts import PortName, SlicePart
from services.destination.model.address import Address, Labels, Socket
from services.destination.model.endpoints import Endpoints, EndpointSet
from services.destination.model.labels import label_value

EXTERNAL_NAME: Final = "ExternalName"
_LOCAL: Final = "Local"

Delta = Callable[[Endpoints | None, Endpoints], Sequence[bytes]]
"""How the steps from some endpoint sets to others are told to a reader."""


class MergedPort(Dependent):
    """The endpoints of a port of a service, over all slices of the service.

    `addresses` is replaced, never changed; of a socket in several slices the newest slice's address
    counts.
    """

    __slots__ = ("_key", "_parts", "_port", "_touched", "addresses", "census", "context", "labels")

    def __init__(self, context: Context, key: Key, port: int, touched: Callable[[], None]) -> None:
        super().__init__()
        self.context = context
        self._key = key
        self._port = port
        self._touched = touched
        self._parts: dict[Key, SlicePart] = {}
        self.addresses: Addresses = {}
        self.census = Census()
        self.labels: Labels = ()
        context.dependencies.watch(self, {on.service(*key), on.slices(*key)})
        self.update()

    def touch(self) -> None:
        self._touched()

    def update(self) -> Sequence[Socket]:
        """Takes in the service and its slices as they are now; the sockets that changed."""
        service = self.context.objects.services.get(self._key)
        served = service is not None and service.spec.type != EXTERNAL_NAME
        slices = self.context.objects.slices_of.get(self._key, {}) if served else {}
        self.labels = _labels(self._key, slices)
        touched = self._drop_parts(slices)
        wanted = port_name(service, self._port)
        for key, now in slices.items():
            part = self._parts.get(key)
            if part is None:
                part = self._parts[key] = SlicePart(self.context, self._port, self._touched)
            touched |= part.update(now, wanted)
        return self._merge(touched)

    @property
    def stays_local(self) -> bool:
        """Whether the service keeps traffic on the node that it comes from."""
        service = self.context.objects.services.get(self._key)
        return service is not None and service.spec.internal_traffic_policy == _LOCAL

    def close(self) -> None:
        """Nobody asks any more."""
        self._drop_parts({})
        self.context.dependencies.watch(self, NOTHING)

    def _drop_parts(self, slices: Mapping[Key, EndpointSlice]) -> set[Socket]:
        gone = [key for key in self._parts if key not in slices]
        return {socket for key in gone for socket in self._parts.pop(key).close()}

    def _merge(self, touched: set[Socket]) -> Sequence[Socket]:
        """Merges what the parts have at `touched`, or everything if slices overlap."""
        before = self.addresses
        if not touched and len(before) == self._count():
            return ()
        now = dict(before)
        for socket in touched:
            now.pop(socket, None)
        for part in self._parts.values():
            now.update((at, part.addresses[at]) for at in touched if at in part.addresses)
        if len(now) != self._count():
            now = self._merge_overlapping()
            touched = set(differences(before, now))
        return self._become(now, touched)

    def _count(self) -> int:
        """How many addresses the parts have; more than the merged ones only if slices overlap."""
        return sum(len(part.addresses) for part in self._parts.values())

    def _merge_overlapping(self) -> dict[Socket, Address]:
        now: dict[Socket, Address] = {}
        for part in sorted(self._parts.values(), key=lambda part: part.rank):
            now.update(part.addresses)
        return now

    def _become(self, now: Addresses, touched: set[Socket]) -> Sequence[Socket]:
        before = self.addresses
        changed = [
            at
            for at in touched
            if (old := before.get(at)) is not (new := now.get(at)) and old != new
        ]
        if changed:
            self.addresses = now
            for at in changed:
                self.census.count(before.get(at), -1)
                self.census.count(now.get(at), 1)
        return changed


class AudienceTopic(Dependent):
    """The topic of one audience of a port; the audience's place depends on its node."""

    __slots__ = ("_touched", "audience", "topic")

    def __init__(
        self, audience: Audience, topic: Topic[Endpoints], touched: Callable[[], None]
    ) -> None:
        super().__init__()
        self.audience = audience
        self.topic = topic
        self._touched = touched

    def touch(self) -> None:
        self._touched()


class Source:
    """What one origin adds to a port, by filter; `origin` tells its endpoint sets from others'."""

    __slots__ = ("_selections", "_touched", "merged", "origin")

    def __init__(
        self, context: Context, origin: Origin, port: int, touched: Callable[[], None]
    ) -> None:
        self.origin = origin
        self.merged = MergedPort(context, origin.service, port, touched)
        self._selections: dict[Filter, Selection] = {}

    def update(self, used: Iterable[Filter]) -> None:
        """Takes in what changed, for those filters that are still used."""
        merged = self.merged
        touched = merged.update()
        self._selections = {f: self._selections[f] for f in set(used) & self._selections.keys()}
        for selection in self._selections.values():
            selection.update(merged.addresses, touched, merged.labels, merged.census)

    def endpoints(self, only: Filter) -> EndpointSet:
        """What passes a filter at the moment."""
        selection = self._selections.get(only)
        if selection is None:
            merged = self.merged
            selection = Selection(
                only, merged.addresses, merged.labels, merged.census, origin=self.origin
            )
            self._selections[only] = selection
        return selection.current

    def filter_for(self, audience: Audience, zone: str, *, ipv6: bool) -> Filter:
        """What the audience may see of this origin. Nodes and zones of another cluster are not
        ours, so its service's traffic policy and zone hints do not count."""
        if self.origin.cluster != HOME:
            return Filter(audience.hostname, zone, ipv6=ipv6, hints=False)
        node = audience.node if self.merged.stays_local else None
        return Filter(audience.hostname, zone, node, ipv6=ipv6)


class PortView(Dependent):
    """The topics of one port of one service, an audience each."""

    __slots__ = ("_clusters", "_context", "_owner", "audiences", "id", "key", "port", "sources")

    def __init__(self, clusters: Clusters, key: Key, port: int, owner: Owner) -> None:
        super().__init__()
        self.id = (PortView, key, port)
        self.key = key
        self.port = port
        self.audiences: dict[Audience, AudienceTopic] = {}
        self.sources: dict[Origin, Source] = {}
        self._clusters = clusters
        self._context = clusters.home
        self._owner = owner
        self._locate()

    def touch(self) -> None:
        self._owner.touched(self)

    def subscribe(self, audience: Audience, delta: Delta) -> Cursor[Endpoints]:
        """A new follower of the topic of `audience`."""
        entry = self.audiences.get(audience)
        if entry is None:
            state = self._endpoints(self._filters(audience))
            topic = Topic(delta, state, on_empty=lambda: self._drop(audience))
            entry = self.audiences[audience] = AudienceTopic(audience, topic, self.touch)
            if audience.node:
                self._context.dependencies.watch(entry, {on.node(audience.node)})
        return entry.topic.subscribe()

    def refresh(self) -> None:
        """Takes in what changed and publishes what differs."""
        self._locate()
        filters = {audience: self._filters(audience) for audience in self.audiences}
        for source, used in zip(
            self.sources.values(), zip(*filters.values(), strict=True), strict=True
        ):
            source.update(used)
        for entry in tuple(self.audiences.values()):  # a follower may leave when it is woken
            entry.topic.publish(self._endpoints(filters[entry.audience]))

    def _locate(self) -> None:
        """Opens and closes sources, for the origins that the service has now."""
        origins = self._origins()
        subjects: set[Subject] = {on.service(*self.key)}
        subjects.update(on.cluster(o.cluster) for o in origins if o.cluster != HOME)
        self._context.dependencies.watch(self, subjects)
        before, self.sources = self.sources, {}
        for origin in origins:
            context = self._clusters.get(origin.cluster)
            source = before.get(origin)
            if source is not None and source.merged.context is context:
                self.sources[origin] = before.pop(origin)
            elif context is not None:
                self.sources[origin] = Source(context, origin, self.port, self.touch)
        for source in before.values():
            source.merged.close()

    def _origins(self) -> Sequence[Origin]:
        service = self._context.objects.services.get(self.key)

        def tell(part: str, problem: str) -> None:
            self._context.complaints.about("Service", *self.key, part, problem)

        try:
            return origins_of(self.key, service, tell)
        except MislabelledError as error:
            tell("labels", f"{error}; it has no endpoints")
            return ()

    def _drop(self, audience: Audience) -> None:
        self._context.dependencies.watch(self.audiences.pop(audience), NOTHING)
        if not self.audiences:
            for source in self.sources.values():
                source.merged.close()
            self._context.dependencies.watch(self, NOTHING)
            self._owner.dropped(self)

    def _endpoints(self, filters: Sequence[Filter]) -> Endpoints:
        """What passes these filters, one for each source."""
        pairs = zip(self.sources.values(), filters, strict=True)
        return tuple(source.endpoints(only) for source, only in pairs)

    def _filters(self, audience: Audience) -> tuple[Filter, ...]:
        """What the audience may see of each source."""
        zone = self._context.objects.zones.get(audience.node, "") if audience.node else ""
        ipv6 = self._context.mesh.ipv6
        return tuple(s.filter_for(audience, zone, ipv6=ipv6) for s in self.sources.values())


def port_name(service: Service | None, port: int) -> PortName:
    """What to look for in the slices of a service: the name of its port, or the number itself if
    the service does not declare it. Of two ports with one number, the TCP one."""
    declared = [item for item in service.spec.ports if item.port == port] if service else []
    declared.sort(key=lambda item: item.protocol != "TCP")
    return declared[0].name if declared else port


def _labels(key: Key, slices: Mapping[Key, EndpointSlice]) -> Labels:
    labels = {"namespace": key.namespace, "service": key.name}
    mirrors = (
        now.metadata for now in slices.values() if REMOTE_CLUSTER_NAME in now.metadata.labels
    )
    mirror = min(mirrors, key=lambda metadata: metadata.name, default=None)
    if mirror is not None:
        labels["target_cluster"] = mirror.labels[REMOTE_CLUSTER_NAME]
        names = mirror.annotations.get(REMOTE_SERVICE_FQ_NAME, "").split(".")
        if len(names) > 1:
            labels["target_service"], labels["target_service_namespace"] = names[:2]
    return tuple((name, label_value(value)) for name, value in labels.items())
