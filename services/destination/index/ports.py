"""A port of a service that somebody asks for: merged, filtered, published.

A port has a share for each service whose endpoints it gives out: its own, usually, or those of
linked clusters and of fellow members. Each share is merged and filtered by itself; what is
published are the endpoint sets of all shares. A change costs those audiences alone whose endpoints
it changes.
"""

from collections.abc import Callable, Sequence

from linkerd.index import NOTHING, Dependent, Owner, Subject, View
from linkerd.kube.objects import Key
from linkerd.streams import Cursor, Topic
from services.destination.index import subjects as on
from services.destination.index.audiences import (
    Addresses,
    Audience,
    Filter,
    Pool,
    Pools,
    Selection,
)
from services.destination.index.clusters import Clusters
from services.destination.index.context import Context
from services.destination.index.errors import MislabelledError
from services.destination.index.merged import MergedPort
from services.destination.index.origins import HOME, Origin, origins_of
from services.destination.model.endpoints import Endpoints

Delta = Callable[[Endpoints | None, Endpoints], Sequence[bytes]]
"""How the steps from some endpoint sets to others are told to a reader."""


class Share:
    """What one origin adds to a port, by filter; `origin` tells its endpoint sets from others'."""

    __slots__ = ("_pools", "_selections", "merged", "origin")

    def __init__(
        self, context: Context, origin: Origin, port: int, touched: Callable[[], None]
    ) -> None:
        self.origin = origin
        self.merged = MergedPort(context, origin.service, port, touched)
        self._pools = Pools()
        self._selections: dict[Pool, dict[Filter, Selection]] = {}

    def update(self) -> list[Selection]:
        """Takes in what changed; the selections that differ now."""
        merged = self.merged
        before, labels = merged.addresses, merged.labels
        touched = merged.update()
        concerned = self._pools.update(before, merged.addresses, touched)
        if merged.labels != labels:
            concerned = set(self._selections)
        return [
            selection
            for pool in concerned & self._selections.keys()
            for selection in self._selections[pool].values()
            if selection.update(self._in(pool), touched, merged.labels, merged.census)
        ]

    def join(self, only: Filter, user: "AudienceTopic") -> Selection:
        """What passes a filter; `user` hears of its changes until it leaves."""
        known = self._selections.setdefault(only.pool, {})
        selection = known.get(only)
        if selection is None:
            merged = self.merged
            selection = known[only] = Selection(
                only, self._in(only.pool), merged.labels, merged.census, origin=self.origin
            )
        selection.users[user] = None
        return selection

    def leave(self, selection: Selection, user: "AudienceTopic") -> None:
        """`user` does not use it any more."""
        del selection.users[user]
        if not selection.users:
            pool = selection.only.pool
            del self._selections[pool][selection.only]
            if not self._selections[pool]:
                del self._selections[pool]

    def filter_for(self, audience: Audience, zone: str, *, ipv6: bool) -> Filter:
        """What the audience may see of this origin. Nodes and zones of another cluster are not
        ours, so its service's traffic policy and zone hints do not count."""
        if self.origin.cluster != HOME:
            return Filter(audience.hostname, zone, ipv6=ipv6, hints=False)
        node = audience.node if self.merged.stays_local else None
        return Filter(audience.hostname, zone, node, ipv6=ipv6)

    def _in(self, pool: Pool) -> Addresses:
        return self._pools.at(pool, self.merged.addresses)


class AudienceTopic(Dependent):
    """The topic of one audience of a port, and what it is made of, by share. The audience's place
    depends on its node."""

    __slots__ = ("_moved", "audience", "parts", "topic")

    def __init__(
        self,
        audience: Audience,
        topic: Topic[Endpoints],
        moved: "Callable[[AudienceTopic], None]",
    ) -> None:
        super().__init__()
        self.audience = audience
        self.topic = topic
        self.parts: tuple[tuple[Share, Selection], ...] = ()
        self._moved = moved

    def touch(self) -> None:
        self._moved(self)

    def publish(self) -> None:
        """Tells the followers what the parts are now."""
        self.topic.publish(tuple(selection.current for _, selection in self.parts))


class PortView(View):
    """The topics of one port of one service, an audience each."""

    __slots__ = (
        *("_clusters", "_context", "_moved", "_terms"),
        *("audiences", "key", "port", "shares"),
    )

    def __init__(self, clusters: Clusters, key: Key, port: int, owner: Owner) -> None:
        super().__init__(owner, key, port)
        self.key = key
        self.port = port
        self.audiences: dict[Audience, AudienceTopic] = {}
        self.shares: dict[Origin, Share] = {}
        self._clusters = clusters
        self._context = clusters.home
        self._moved: dict[AudienceTopic, None] = {}  # whose filters may have changed
        self._terms: list[tuple[Share, bool]] = []
        self._locate()

    def subscribe(self, audience: Audience, delta: Delta) -> Cursor[Endpoints]:
        """A new follower of the topic of `audience`."""
        entry = self.audiences.get(audience)
        if entry is None:
            topic: Topic[Endpoints] = Topic(delta, on_empty=lambda: self._drop(audience))
            entry = self.audiences[audience] = AudienceTopic(audience, topic, self._move)
            self._place(entry)
            entry.publish()
            if audience.node:
                self._context.dependencies.watch(entry, {on.node(audience.node)})
        return entry.topic.subscribe()

    def refresh(self) -> None:
        """Takes in what changed and publishes what differs."""
        moved, self._moved = self._moved, {}
        if self._locate():
            moved = dict.fromkeys(self.audiences.values())
        concerned = dict(moved)
        for share in self.shares.values():
            for selection in share.update():
                concerned.update(selection.users)
        for entry in moved:
            self._place(entry)
        for entry in concerned:
            entry.publish()

    def _move(self, entry: AudienceTopic) -> None:
        self._moved[entry] = None
        self.touch()

    def _locate(self) -> bool:
        """Opens and closes shares, for the origins that the service has now. Whether what all
        filters depend on has changed: the shares, and whether they keep to a node."""
        origins = self._origins()
        subjects: set[Subject] = {on.service(*self.key)}
        subjects.update(on.cluster(o.cluster) for o in origins if o.cluster != HOME)
        self._context.dependencies.watch(self, subjects)
        before, self.shares = self.shares, {}
        for origin in origins:
            context = self._clusters.get(origin.cluster)
            share = before.get(origin)
            if share is not None and share.merged.context is context:
                self.shares[origin] = before.pop(origin)
            elif context is not None:
                self.shares[origin] = Share(context, origin, self.port, self.touch)
        for share in before.values():
            share.merged.close()
        terms, self._terms = (
            self._terms,
            [(share, share.merged.stays_local) for share in self.shares.values()],
        )
        return terms != self._terms

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
        entry = self.audiences.pop(audience)
        self._moved.pop(entry, None)
        self._context.dependencies.watch(entry, NOTHING)
        for share, selection in entry.parts:
            share.leave(selection, entry)
        if not self.audiences:
            for share in self.shares.values():
                share.merged.close()
            self.shares, self._terms = {}, []  # which know the view: it is freed at once so
            self._context.dependencies.watch(self, NOTHING)
            self.owner.dropped(self)

    def _place(self, entry: AudienceTopic) -> None:
        """Has the audience use those filters that are its own now, of each share."""
        node, ipv6 = entry.audience.node, self._context.mesh.ipv6
        zone = self._context.objects.zones.get(node, "") if node else ""
        before, entry.parts = (
            entry.parts,
            tuple(
                (
                    share,
                    share.join(share.filter_for(entry.audience, zone, ipv6=ipv6), entry),
                )
                for share in self.shares.values()
            ),
        )
        for part in before:
            if part not in entry.parts:
                share, selection = part
                share.leave(selection, entry)
