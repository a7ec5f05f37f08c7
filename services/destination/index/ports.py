"""A port of a service that somebody asks for: merged, filtered, published.

A port has a share for each service whose endpoints it gives out: its own, usually, or those of
linked clusters and of fellow members. Each share is merged and filtered by itself; what is
published are the endpoint sets of all shares. A change costs those audiences alone whose endpoints
it changes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from linkerd.index import NOTHING, Dependent, Owner, Subject, View
from linkerd.kube.objects import Key
from linkerd.streams import Cursor, Told, Topic
from services.destination.index import subjects as on
from services.destination.index.audiences import (
    Audience,
    Selection,
)
from services.destination.index.clusters import Clusters
from services.destination.index.errors import MislabelledError
from services.destination.index.merged import MergedPort
from services.destination.index.origins import HOME, Origin, origins_of
from services.destination.index.shares import Share
from services.destination.model.address import Address
from services.destination.model.endpoints import Endpoints

_MANY: Final = 1_000
"""Endpoints of a port that are encoded before they are told, step by step, lest their first reader
hold up everybody."""


class Delta(Protocol):
    """How the steps from some endpoint sets to others are told to a reader."""

    def __call__(self, last: Endpoints | None, current: Endpoints, /) -> Told:
        """The messages of a step."""

    def prepare(self, address: Address, zone: str) -> None:
        """`address` will be told to clients of `zone`."""


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
    """The topics of one port of one service, an audience each. They have states once it has been
    computed for the first time, which may take several turns if the service is huge."""

    __slots__ = (
        *("_clusters", "_coming", "_context", "_delta", "_is_known", "_moved", "_terms"),
        *("_zones", "audiences", "key", "port", "shares"),
    )

    def __init__(self, clusters: Clusters, owner: Owner, delta: Delta, key: Key, port: int) -> None:
        super().__init__(owner, key, port)
        self.key = key
        self.port = port
        self.audiences: dict[Audience, AudienceTopic] = {}
        self.shares: dict[Origin, Share] = {}
        self._coming: dict[Origin, Share] = {}  # that are being computed for the first time
        self._clusters = clusters
        self._context = clusters.home
        self._delta = delta
        self._is_known = False
        self._moved: dict[AudienceTopic, None] = {}  # whose filters may have changed
        self._terms: list[tuple[Share, bool]] = []
        self._zones: set[str] = set()  # of audiences
        self.touch()

    def subscribe(self, audience: Audience) -> Cursor[Endpoints]:
        """A new follower of the topic of `audience`."""
        entry = self.audiences.get(audience)
        if entry is None:
            topic: Topic[Endpoints] = Topic(self._delta, on_empty=lambda: self._drop(audience))
            entry = self.audiences[audience] = AudienceTopic(audience, topic, self._move)
            if audience.node:
                self._context.dependencies.watch(entry, {on.node(audience.node)})
            if self._is_known and (not self._is_large or self._zone(audience) in self._zones):
                self._zones.add(self._zone(audience))
                self._place(entry)
                entry.publish()
            else:
                self._move(entry)
        return entry.topic.subscribe()

    def refresh(self) -> Iterator[None]:
        """Takes in what changed, prepares what is to be told, and publishes what differs."""
        shares = self._locate()
        for share in shares.values():
            yield from share.merged.collect()
        for share in shares.values():
            yield from self._prepare(share.merged)
            yield from share.merged.merge()
        self._publish(shares)

    def _locate(self) -> dict[Origin, Share]:
        """The shares of the origins that the service has now; new ones are empty yet."""
        origins = self._origins()
        subjects: set[Subject] = {on.service(*self.key)}
        subjects.update(on.cluster(o.cluster) for o in origins if o.cluster != HOME)
        self._context.dependencies.watch(self, subjects)
        found, coming = {}, {}
        for origin in origins:
            context = self._clusters.get(origin.cluster)
            known = self._coming.pop(origin, None) or self.shares.get(origin)
            if known is not None and known.merged.context is context:
                found[origin] = known
            elif context is not None:
                found[origin] = Share(context, origin, self.port, self.owner, self.touch)
            if origin in found and found[origin] is not self.shares.get(origin):
                coming[origin] = found[origin]
        self._close(self._coming)
        self._coming = coming
        return found

    def _prepare(self, merged: MergedPort) -> Iterator[None]:
        """Encodes what will be told, if it is much."""
        come = {self._zone(entry.audience) for entry in self._moved} - self._zones
        found = merged.collected(changed=not come)
        if sum(map(len, found)) >= _MANY:
            for addresses in found:
                for address in addresses.values():
                    for zone in (*self._zones, *come):
                        self._delta.prepare(address, zone)
                yield

    def _publish(self, shares: dict[Origin, Share]) -> None:
        before, self.shares, self._coming = self.shares, shares, {}
        self._close({at: old for at, old in before.items() if shares.get(at) is not old})
        moved, self._moved = self._moved, {}
        self._zones.update(self._zone(entry.audience) for entry in moved)
        # Filters depend on what the shares are, and on whether they keep to a node.
        terms = [(share, share.merged.stays_local) for share in shares.values()]
        if terms != self._terms or not self._is_known:
            moved = dict.fromkeys(self.audiences.values())
        self._terms, self._is_known = terms, True
        concerned = dict(moved)
        for share in shares.values():
            for selection in share.update():
                concerned.update(selection.users)
        for entry in moved:
            self._place(entry)
        for entry in concerned:
            entry.publish()

    @property
    def _is_large(self) -> bool:
        return sum(len(share.merged.addresses) for share in self.shares.values()) >= _MANY

    def _move(self, entry: AudienceTopic) -> None:
        self._moved[entry] = None
        self.touch()

    def _close(self, shares: Mapping[Origin, Share]) -> None:
        for share in shares.values():
            self.owner.tidy(share.merged.close())

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
            self._context.dependencies.watch(self, NOTHING)
            self.owner.dropped(self)
            self._close(self.shares)
            self._close(self._coming)
            # Which know the view: it is freed at once so.
            self.shares, self._coming, self._terms = {}, {}, []

    def _zone(self, audience: Audience) -> str:
        """Where an audience is, empty if unknown."""
        return self._context.objects.zones.get(audience.node, "") if audience.node else ""

    def _place(self, entry: AudienceTopic) -> None:
        """Has the audience use those filters that are its own now, of each share."""
        zone, ipv6 = self._zone(entry.audience), self._context.mesh.ipv6
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
