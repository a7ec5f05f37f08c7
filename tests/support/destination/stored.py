"""One cluster in which anything happens, and the reflectors that read it: for tests of any
history."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import msgspec

from linkerd.kube.events import Applied
from services.destination.index import Kind
from services.destination.index.context import Context
from services.destination.resources import resources
from tests.support.destination.world import World
from tests.support.feeds import Feed, Stored
from tests.support.objects import meta, node, owned, service
from tests.support.random_objects import (
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
        read = resources(slices=Kind.ENDPOINTS not in cluster.stored)
        self.context = context
        self._random = cluster.random
        self.feeds = [
            Feed(read[kind], stored, world.index.listener(kind, context), cluster.random)
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
