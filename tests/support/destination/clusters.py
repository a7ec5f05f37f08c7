"""Our cluster and those linked to it, for the law of the index.

Links come, are made anew and go; the clusters that they lead to are read late, or not at all.
"""

from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from linkerd.index import AtOnce
from services.destination.index import Index, Kind
from services.destination.index.context import Context
from services.destination.resources import resources
from tests.support.destination.stored import EVERYWHERE, LINKS, SOURCES, begin
from tests.support.destination.world import World
from tests.support.indexes.clusters import OneCluster
from tests.support.indexes.law import Law
from tests.support.indexes.stored import Cluster, Reading, tell
from tests.support.objects import node
from tests.support.random_objects import some_federated, some_mirror


class LinkedClusters(OneCluster):
    """Ours and those linked to it, and how far an index has read them."""

    def __init__(self, law: Law, random: Random) -> None:
        makers = [*EVERYWHERE, SOURCES[Kind.SLICE]]
        self.there = {link: Cluster(makers, random) for link in LINKS}
        self.announced: set[str] = set()
        self.coming: dict[str, Reading] = {}
        self.linked: dict[str, Reading] = {}
        super().__init__(law, random)
        for _ in range(random.choice([0, 2, 3])):
            self.announce()
            self.link()

    @property
    def index(self) -> Index:
        """Destination's own."""
        assert isinstance(self.world.index, Index)
        return self.world.index

    def fill(self) -> None:
        for cluster in self.all:
            begin(cluster, linked=cluster is not self.here)
        self.here.put(Kind.NODE, node("n1", "z1"))
        self.here.put(Kind.SERVICE, some_federated(self.random))
        self.here.put(Kind.SERVICE, some_mirror(self.random))

    @property
    def readings(self) -> list[Reading]:
        return [self.home, *self.coming.values(), *self.linked.values()]

    @property
    def all(self) -> Sequence[Cluster]:
        return [self.here, *self.there.values()]

    def rarely(self) -> Sequence[Callable[[], None]]:
        return [self.announce, self.link, self.unlink]

    def announce(self) -> None:
        """A Secret comes, or another one for the same link: the cluster begins to be read."""
        link = self.random.choice(LINKS)
        if link in self.coming:
            self._leave(self.coming.pop(link))
        self.announced.add(link)
        self._begin(link)

    def link(self) -> None:
        """A cluster has been read, for the first time or anew."""
        if self.coming:
            link = self.random.choice(list(self.coming))
            reading = self.coming.pop(link)
            reading.list_all()
            before = self.linked.get(link)
            self.linked[link] = reading
            assert isinstance(reading.context, Context)
            self.index.link(link, reading.context)
            if before is not None:
                self._leave(before)

    def unlink(self) -> None:
        """A Secret is gone, for good."""
        if self.announced:
            link = self.random.choice(sorted(self.announced))
            self.announced.discard(link)
            gone = [t.pop(link) for t in (self.coming, self.linked) if link in t]
            self.index.unlink(link)
            for reading in gone:
                self._leave(reading)

    def restart(self) -> None:
        """Linked clusters are read before it serves, or some are not."""
        super().restart()
        self.past, self.linked, self.coming = [], {}, {}
        for link in sorted(self.announced):
            self._begin(link)
            if self.random.random() < 0.7:
                self.link()

    def fresh(self) -> World:
        world = World(pace=AtOnce())
        for link in sorted(self.announced):
            world.index.clusters.announce(link)
        contexts = {link: world.cluster(link).context for link in self.linked}
        steps = [partial(tell, world.index, self.here)]
        for link, context in contexts.items():
            steps.append(partial(tell, world.index, self.there[link], context))
        self.random.shuffle(steps)
        for step in steps:
            step()
        for link, context in contexts.items():
            world.index.link(link, context)
        return world

    def tell_again(self) -> None:
        super().tell_again()
        for link, reading in self.linked.items():
            if self.random.random() < 0.5:
                reading.list_all()
            else:
                tell(self.world.index, self.there[link], reading.context)

    def _begin(self, link: str) -> None:
        self.index.clusters.announce(link)
        assert isinstance(self.world, World)
        context = self.world.cluster(link).context
        read = resources(slices=True)
        self.coming[link] = Reading(self.world.index, self.there[link], read, context)

    def _leave(self, reading: Reading) -> None:
        if self.random.random() < 0.5:
            reading.catch_up()  # it ends a moment later
        reading.close()
        self.past.append(reading.context)
