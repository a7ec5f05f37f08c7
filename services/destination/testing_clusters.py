"""Clusters in which anything happens, and an index that reads them: for tests of any history.

Objects come and go in our cluster and in those linked to it; reflectors hear of it late, twice or
by another list; links come, are made anew and go; the index is thrown away and begins again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, Final

import msgspec

from linkerd.kube.events import Applied
from linkerd.testing.feeds import Feed, Stored
from linkerd.testing.objects import meta, node, owned, service
from linkerd.testing.random_objects import (
    PORTS,
    some_endpoints,
    some_federated,
    some_mirror,
    some_pod,
    some_profile,
    some_server,
    some_service,
    some_slice,
    some_split,
    some_workload,
)
from services.destination.index import Kind
from services.destination.index.context import Context
from services.destination.sources import sources
from services.destination.testing import World

Maker = Callable[[Random], Any]
Makers = list[tuple[int, Kind, Maker]]
"""With weights."""

EVERYWHERE: Final[Makers] = [
    (3, Kind.SERVICE, some_service),
    (6, Kind.POD, some_pod),
    (2, Kind.SERVER, some_server),
    (1, Kind.REPLICA_SET, lambda r: owned("r", "fin", (r.choice(["Deployment", "X"]), "d"))),
    (1, Kind.JOB, lambda r: owned("r", "fin", (r.choice(["CronJob", "X"]), "c"))),
]
HERE: Final[Makers] = [
    *EVERYWHERE,
    (2, Kind.SERVICE, some_federated),
    (2, Kind.SERVICE, some_mirror),
    (4, Kind.EXTERNAL_WORKLOAD, some_workload),
    (2, Kind.PROFILE, some_profile),
    (2, Kind.SPLIT, some_split),
    (2, Kind.NODE, lambda r: node(r.choice(["n1", "n2"]), r.choice(["", "z1", "z2"]))),
]
SOURCES: Final[dict[Kind, tuple[int, Kind, Maker]]] = {
    Kind.SLICE: (8, Kind.SLICE, some_slice),
    Kind.ENDPOINTS: (8, Kind.ENDPOINTS, some_endpoints),
}
"""Where endpoints are read from: one or the other."""

LINKS: Final = ["north", "south"]


@dataclass
class Cluster:
    """What the API server of a cluster has. `link` is the name of the link to it, empty for
    ours."""

    link: str
    makers: Makers
    random: Random
    stored: dict[Kind, Stored] = field(init=False)

    def __post_init__(self) -> None:
        self.stored = {kind: Stored() for _, kind, _ in self.makers}

    def begin(self) -> None:
        """Enough is there for things to happen."""
        r = self.random
        self.put(Kind.SERVICE, service("ledger", ports=r.choice(PORTS)))
        pods, slices = (2, 2) if self.link else (5, 3)
        for kind, number in ((Kind.POD, pods), (self.makers[-1][1], slices)):
            maker = next(make for _, k, make in self.makers if k is kind)
            for _ in range(number):
                self.put(kind, maker(r))

    def put(self, kind: Kind, item: Any) -> None:
        """An object comes or changes."""
        self.stored[kind].put(item)

    def change(self) -> None:
        """Something comes, changes, goes, or is made anew."""
        r = self.random
        ((_, kind, make),) = r.choices(self.makers, [weight for weight, *_ in self.makers])
        item = make(r)
        if (chance := r.random()) < 0.2:
            self.stored[kind].remove(item.metadata.key)
        elif chance < 0.25:
            metadata = msgspec.structs.replace(item.metadata, uid=f"{item.metadata.uid}-{chance}")
            self.put(kind, msgspec.structs.replace(item, metadata=metadata))
        else:
            self.put(kind, item)

    def renew(self) -> None:
        """A new version of an object, with nothing else new in it."""
        stored = self.random.choice(list(self.stored.values()))
        if stored.objects:
            item: Any = self.random.choice(list(stored.objects.values()))
            version = meta("x").resource_version
            metadata = msgspec.structs.replace(item.metadata, resource_version=version)
            stored.put(msgspec.structs.replace(item, metadata=metadata))

    def objects(self) -> list[tuple[Kind, Any]]:
        """Everything that there is, in any order."""
        found = [(k, item) for k, stored in self.stored.items() for item in stored.objects.values()]
        self.random.shuffle(found)
        return found


class Reading:
    """The reflectors of a cluster, which feed a context."""

    def __init__(self, world: World, cluster: Cluster, context: Context) -> None:
        resources = sources(slices=Kind.ENDPOINTS not in cluster.stored)
        self.context = context
        self._random = cluster.random
        self.feeds = [
            Feed(resources[kind], stored, world.index.listener(kind, context), cluster.random)
            for kind, stored in cluster.stored.items()
        ]

    def list_all(self) -> None:
        """Each resource is read, one after another."""
        self._random.shuffle(self.feeds)
        for feed in self.feeds:
            feed.list()

    def catch_up(self) -> None:
        """Everything that was said is read."""
        for feed in self.feeds:
            feed.read()

    def some(self) -> None:
        """Some of what one resource's watch said is read."""
        behind = [feed for feed in self.feeds if feed.coming]
        feed = self._random.choice(behind or self.feeds)
        feed.read(self._random.choice([1, 2, None]))

    def close(self) -> None:
        """It is over."""
        for feed in self.feeds:
            feed.close()


def tell(world: World, cluster: Cluster, context: Context | None = None) -> None:
    """Everything of a cluster is told, in any order and in batches of any size."""
    for kind, item in cluster.objects():
        world.index.apply(kind, Applied(item), context)
        if cluster.random.random() < 0.3:
            world.index.flush()
    world.index.flush()


@dataclass
class Clusters:
    """Ours and those linked to it, and how far an index has read them."""

    random: Random
    source: Kind = Kind.SLICE
    world: World = field(default_factory=World)
    past: list[Context] = field(default_factory=list)  # contexts that do not count any more

    def __post_init__(self) -> None:
        r = self.random
        self.here = Cluster("", [*HERE, SOURCES[self.source]], r)
        self.there = {link: Cluster(link, [*EVERYWHERE, SOURCES[Kind.SLICE]], r) for link in LINKS}
        for cluster in (self.here, *self.there.values()):
            cluster.begin()
        self.here.put(Kind.NODE, node("n1", "z1"))
        self.here.put(Kind.SERVICE, some_federated(r))
        self.here.put(Kind.SERVICE, some_mirror(r))
        self.announced: set[str] = set()
        self.coming: dict[str, Reading] = {}
        self.linked: dict[str, Reading] = {}
        self._read_here()
        for _ in range(r.choice([0, 2, 3])):
            self.announce()
            self.link()

    def _read_here(self) -> None:
        self.home = Reading(self.world, self.here, self.world.index.home)
        self.home.list_all()

    @property
    def readings(self) -> list[Reading]:
        """All that goes on."""
        return [self.home, *self.coming.values(), *self.linked.values()]

    def change(self) -> None:
        """Some things change somewhere; who watches hears of it later, or now."""
        cluster = self.random.choice([self.here, self.here, *self.there.values()])
        for _ in range(self.random.randint(1, 3)):
            cluster.change()
        if self.random.random() < 0.5:
            self.catch_up()

    def renew(self) -> None:
        """An object gets another version."""
        self.random.choice([self.here, *self.there.values()]).renew()

    def hear(self) -> None:
        """Some watch brings something."""
        self.random.choice(self.readings).some()

    def expire(self) -> None:
        """Some watch expires, with something unread in it if there is one."""
        feeds = [feed for reading in self.readings for feed in reading.feeds]
        behind = [feed for feed in feeds if feed.coming]
        self.random.choice(behind or feeds).expire()

    def catch_up(self) -> None:
        """Every watch brings all that it has."""
        for reading in self.readings:
            reading.catch_up()

    def announce(self) -> None:
        """A Secret comes, or another one for the same link: the cluster begins to be read."""
        link = self.random.choice(LINKS)
        if link in self.coming:
            self._leave(self.coming.pop(link))
        self.announced.add(link)
        self.world.index.clusters.announce(link)
        context = self.world.cluster(link).context
        self.coming[link] = Reading(self.world, self.there[link], context)

    def link(self) -> None:
        """A cluster has been read, for the first time or anew."""
        if self.coming:
            link = self.random.choice(list(self.coming))
            reading = self.coming.pop(link)
            reading.list_all()
            before = self.linked.get(link)
            self.linked[link] = reading
            self.world.index.link(link, reading.context)
            if before is not None:
                self._leave(before)

    def unlink(self) -> None:
        """A Secret is gone, for good."""
        if self.announced:
            link = self.random.choice(sorted(self.announced))
            self.announced.discard(link)
            gone = [t.pop(link) for t in (self.coming, self.linked) if link in t]
            self.world.index.unlink(link)
            for reading in gone:
                self._leave(reading)

    def _leave(self, reading: Reading) -> None:
        if self.random.random() < 0.5:
            reading.catch_up()  # it ends a moment later
        reading.close()
        self.past.append(reading.context)

    def restart(self) -> None:
        """The index starts anew. Linked clusters are read before it serves, or some are not."""
        for reading in self.readings:
            reading.close()
        self.world, self.past, self.linked, self.coming = World(), [], {}, {}
        self._read_here()
        for link in sorted(self.announced):
            self.world.index.clusters.announce(link)
            context = self.world.cluster(link).context
            self.coming[link] = Reading(self.world, self.there[link], context)
            if self.random.random() < 0.7:
                self.link()

    def fresh(self) -> World:
        """A world that begins now, and reads everything in another order."""
        world = World()
        for link in sorted(self.announced):
            world.index.clusters.announce(link)
        contexts = {link: world.cluster(link).context for link in self.linked}
        steps = [partial(tell, world, self.here)]
        for link, context in contexts.items():
            steps.append(partial(tell, world, self.there[link], context))
        self.random.shuffle(steps)
        for step in steps:
            step()
        for link, context in contexts.items():
            world.index.link(link, context)
        return world

    def tell_again(self) -> None:
        """Everything that is known is told again, of the same versions."""
        for cluster, reading in ((self.here, self.home), *self._links()):
            if self.random.random() < 0.5:
                reading.list_all()
            else:
                tell(self.world, cluster, reading.context)

    def _links(self) -> list[tuple[Cluster, Reading]]:
        return [(self.there[link], reading) for link, reading in self.linked.items()]
