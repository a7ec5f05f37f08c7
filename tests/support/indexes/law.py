"""The law of an index: whatever the history, answers are those of a rebuild from scratch.

A service makes a `Law` of its kinds (how objects of each are made at random, and where they are
read), of its queries, and of a model: what the objects alone make of a query. Its test draws seeds
and lengths, and the law `holds`. A history is made by a plain generator from a seed: a hundred
times faster than letting hypothesis draw every field, and worlds are small, so that things meet.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from linkerd.index import Context, Pace
from linkerd.kube.resource import Resource
from tests.support.indexes.clusters import Clusters, OneCluster
from tests.support.indexes.followers import Client, Follower, World
from tests.support.indexes.stored import Cluster, Makers


@dataclass(frozen=True)
class Law:
    """`start` makes a world of which nothing is known. `query` draws one, and `client` is what
    reads its answers. `refusals` are errors of `follow`; after a `final` one nobody asks again, and
    of one that is `silent` a fresh start tells nothing. `refused` checks what a client may know
    where a fresh start refuses."""

    makers: Makers
    resources: Mapping[Any, Resource[Any]]
    start: Callable[[Pace], World]
    query: Callable[[Random], Any]
    client: Callable[[Any], Client]
    model: Callable[[Cluster, Any], Any] | None = None
    refusals: tuple[type[Exception], ...] = ()
    final: tuple[type[Exception], ...] = ()
    silent: tuple[type[Exception], ...] = ()
    refused: Callable[[Client], bool] = lambda _client: True
    clusters: Callable[["Law", Random], Clusters] = OneCluster

    def history(self, seed: int) -> "History":
        """The history of a seed."""
        return History(self, Random(seed))

    def holds(self, seed: int, length: int) -> None:
        """Runs a history. Raises AssertionError."""
        history = self.history(seed)
        for _ in range(length):
            history.step()
        history.check()
        history.end()

    def holds_for(self, seeds: Iterable[int], length: int) -> None:
        """Runs a history of each seed. Raises AssertionError."""
        for seed in seeds:
            self.holds(seed, length)


class History:
    """Clusters, and followers of what is in them."""

    def __init__(self, law: Law, random: Random) -> None:
        self.law = law
        self.random = random
        self.clusters = law.clusters(law, random)
        self.followers: list[Follower] = []
        for _ in range(4):
            self.come()

    def step(self) -> None:
        """Something happens."""
        clusters = self.clusters
        often: list[Callable[[], None]] = [
            *(clusters.change, clusters.change, clusters.hear, clusters.expire),
            *(self.read, self.read, self.sip, clusters.turn),
        ]
        rarely: Sequence[Callable[[], None]] = [
            *(*clusters.rarely(), clusters.renew),
            *(self.come, self.come, self.leave, self.reconnect, self.reconnect),
        ]
        chance = self.random.random()
        if chance < 0.02:
            self.random.choice([self.restart, self.tell_again, self.check])()
        else:
            self.random.choice(often if chance < 0.75 else rarely)()

    def come(self) -> None:
        """Another follower, or one that asks for something else."""
        follower = Follower(self.law, self.law.query(self.random))
        follower.connect(self.clusters.world)
        self.followers.append(follower)

    def leave(self) -> None:
        """A follower closes its stream."""
        if self.followers:
            self.followers.pop(self.random.randrange(len(self.followers))).close()

    def reconnect(self) -> None:
        """A stream ends, as idle ones do, and is opened again; or it is tried again."""
        if self.followers:
            follower = self.random.choice(self.followers)
            follower.close()
            follower.connect(self.clusters.world)

    def read(self) -> None:
        """A follower reads."""
        if self.followers:
            self.random.choice(self.followers).read()

    def sip(self) -> None:
        """A follower reads a little."""
        if self.followers:
            self.random.choice(self.followers).sip()

    def tell_again(self) -> None:
        """Everything is told again, and nobody hears of it."""
        self.clusters.catch_up()
        self.clusters.finish()
        for follower in self.followers:
            follower.read()
        self.clusters.tell_again()
        self.clusters.finish()
        assert not sum(follower.read() for follower in self.followers)

    def restart(self) -> None:
        """The program ends and begins again; followers come back when they do."""
        self.clusters.restart()
        for follower in self.followers:
            follower.open = False
            if self.random.random() < 0.7:
                follower.connect(self.clusters.world)

    def check(self) -> None:
        """All is as after a fresh start, and as the model has it. Raises AssertionError, as any
        step may."""
        self.clusters.catch_up()
        for follower in self.followers:
            if not follower.open:
                follower.connect(self.clusters.world)
        self.clusters.finish()
        for follower in self.followers:
            follower.read()
            if follower.ended:  # it is to ask again, and hear what is
                follower.connect(self.clusters.world)
                follower.read()
                assert not follower.ended
        fresh = self.clusters.fresh()
        for follower in self.followers:
            follower.check(fresh, self.clusters.here)
        for index in (self.clusters.world.index, fresh.index):
            assert index.tally.failures == 0
            assert index.in_step

    def end(self) -> None:
        """Everybody leaves, and nothing is left of them in any context that ever was. Then all
        objects go, and nothing is left of these."""
        while self.followers:
            self.leave()
        self.clusters.finish()
        index = self.clusters.world.index
        assert not index.views
        for context in (*index.contexts(), *self.clusters.past):
            assert kept_for_followers(context) == 0
        self.clusters.remove_all()
        for context in index.contexts():
            assert kept(context) == {}


def kept(context: Context[Any]) -> dict[str, int]:
    """The tables of a cluster's objects that are not empty, and how long they are."""
    tables = {name: len(table) for name, table in vars(context.objects).items()}
    return {name: size for name, size in tables.items() if size and name != "_takers"}


def kept_for_followers(context: Context[Any]) -> int:
    """How many subjects and derived values are kept for somebody."""
    return len(context.dependencies) + sum(map(len, context.derived))
