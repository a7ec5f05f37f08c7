"""Clusters in which anything happens, and an index that reads them: for tests of any history.

Objects come and go in our cluster and in those linked to it; reflectors hear of it late, twice or
by another list; links come, are made anew and go; the index is thrown away and begins again.
"""

from dataclasses import dataclass, field
from functools import partial
from random import Random

from services.destination.index import Kind
from services.destination.index.context import Context
from tests.support.destination.stored import (
    EVERYWHERE,
    HERE,
    LINKS,
    SOURCES,
    Cluster,
    Reading,
    tell,
)
from tests.support.destination.world import World
from tests.support.objects import node
from tests.support.random_objects import (
    some_federated,
    some_mirror,
)


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

    def remove_all(self) -> None:
        """All objects go, everywhere."""
        for cluster in (self.here, *self.there.values()):
            for stored in cluster.stored.values():
                for key in list(stored.objects):
                    stored.remove(key)
        self.catch_up()

    def tell_again(self) -> None:
        """Everything that is known is told again, of the same versions."""
        for cluster, reading in ((self.here, self.home), *self._links()):
            if self.random.random() < 0.5:
                reading.list_all()
            else:
                tell(self.world, cluster, reading.context)

    def _links(self) -> list[tuple[Cluster, Reading]]:
        return [(self.there[link], reading) for link, reading in self.linked.items()]
