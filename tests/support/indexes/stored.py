"""A cluster in which anything happens, and the reflectors that read it."""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import msgspec

from linkerd.index import Context, Index
from linkerd.kube.events import Applied
from linkerd.kube.resource import Resource
from tests.support.feeds import Feed, Stored
from tests.support.objects import meta

Maker = Callable[[Random], Any]
Makers = Sequence[tuple[int, Any, Maker]]
"""How objects of a kind are made, with weights."""


class Cluster:
    """What its API server has, by kind."""

    def __init__(self, makers: Makers, random: Random) -> None:
        self.makers = makers
        self.random = random
        self.stored: dict[Any, Stored] = {kind: Stored() for _, kind, _ in makers}

    def put(self, kind: Any, item: Any) -> None:
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

    def remove_all(self) -> None:
        """All objects go."""
        for stored in self.stored.values():
            for key in list(stored.objects):
                stored.remove(key)

    def objects(self) -> list[tuple[Any, Any]]:
        """Everything that there is, in any order."""
        found = [(k, item) for k, stored in self.stored.items() for item in stored.objects.values()]
        self.random.shuffle(found)
        return found


class Reading:
    """The reflectors of a cluster, which feed a context of an index."""

    def __init__(
        self,
        index: Index[Any, Any],
        cluster: Cluster,
        resources: Mapping[Any, Resource[Any]],
        context: Context[Any],
    ) -> None:
        self.context = context
        self._random = cluster.random
        self.feeds = [
            Feed(resources[kind], stored, index.listener(kind, context), cluster.random)
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


def tell(index: Index[Any, Any], cluster: Cluster, context: Context[Any] | None = None) -> None:
    """Everything of a cluster is told, in any order and in batches of any size."""
    for kind, item in cluster.objects():
        index.apply(kind, Applied(item), context)
        if cluster.random.random() < 0.3:
            index.flush()
    index.flush()
