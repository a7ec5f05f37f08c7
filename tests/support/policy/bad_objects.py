"""Objects that say anything, under streams of others: no error of ours, no message that a proxy
would refuse, nothing heard by those whom it does not concern; and good objects in the place of the
bad ones mend all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from linkerd.kube.events import Applied, Deleted, Event
from services.policy.index.index import PolicyIndex
from services.policy.index.kinds import Kind
from tests.support.indexes.followers import Follower, World
from tests.support.indexes.law import Law
from tests.support.policy.inbound import make_index
from tests.support.policy.spoiled import spoiled

_DELETED: Final = 0.1
_FOLLOWERS: Final = 8


@dataclass(frozen=True, kw_only=True)
class BadObjects:
    """What one direction of policy is told of. `calm` are objects that nothing which is spoiled
    concerns, and `calm_queries` what clients follow of them; `most` is how many others there are,
    and how often one is spoiled."""

    law: Law
    world: Callable[[PolicyIndex], World]
    calm: Sequence[tuple[Kind, Any]]
    calm_queries: Sequence[Any]
    most: int

    def do_no_harm(self, seed: int) -> None:
        """Runs one history. Raises AssertionError."""
        random = Random(seed)
        index = make_index()
        world = self.world(index)
        self._fill(index, self.calm)
        makers = self.law.makers
        chosen = random.choices(makers, [weight for weight, *_ in makers], k=self.most)
        made = [(kind, make(random)) for _, kind, make in chosen]
        known = {(kind, good.metadata.key): good for kind, good in made}
        self._fill(index, made)
        clients = self._connect(world, [self.law.query(random) for _ in range(_FOLLOWERS)])
        neighbours = self._connect(world, self.calm_queries)
        for _ in range(self.most):
            (kind, _), good = random.choice(list(known.items()))
            bad = spoiled(random, kind, good)
            if bad is not None:
                event = Deleted if random.random() < _DELETED else Applied
                _tell(index, kind, event(bad))
            for each in clients:
                each.read()
        whole = [(kind, good) for (kind, _), good in known.items()]
        self._fill(index, whole)
        assert not any(each.read() for each in neighbours)
        fresh = make_index()
        healed = self.world(fresh)
        self._fill(fresh, [*self.calm, *whole])
        for each in (*clients, *neighbours):
            each.connect(world)
            each.check(healed)
        assert index.tally.failures == 0

    def mostly_decode(self) -> None:
        """Else nothing would come of it. Raises AssertionError."""
        random = Random(1)
        made = [(kind, make(random)) for _, kind, make in self.law.makers for _ in range(40)]
        decoded = [each for kind, good in made if (each := spoiled(random, kind, good)) is not None]
        assert len(decoded) > len(made) / 6

    def _connect(self, world: World, queries: Sequence[Any]) -> list[Follower]:
        followers = [Follower(self.law, query) for query in queries]
        for each in followers:
            each.connect(world)
            each.read()
        return followers

    def _fill(self, index: PolicyIndex, objects: Sequence[tuple[Kind, Any]]) -> None:
        for kind, good in objects:
            _tell(index, kind, Applied(good))


def _tell(index: PolicyIndex, kind: Kind, event: Event[Any]) -> None:
    index.listener(kind)([event])
