"""What an index reads: one cluster, or, for a service that reads several, all of these."""

from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from linkerd.index import AtOnce, Context
from tests.support.indexes.followers import World
from tests.support.indexes.paces import AnyPace
from tests.support.indexes.stored import Cluster, Reading, tell

if TYPE_CHECKING:
    from tests.support.indexes.law import Law


class Clusters(Protocol):
    """Clusters in which anything happens, and how far a world has read them."""

    here: Cluster
    world: World
    past: list[Context[Any]]
    """Contexts that do not count any more."""

    def rarely(self) -> Sequence[Callable[[], None]]:
        """What happens besides, now and then."""

    def change(self) -> None:
        """Some things change somewhere; who watches hears of it later, or now."""

    def renew(self) -> None:
        """An object gets another version."""

    def hear(self) -> None:
        """Some watch brings something."""

    def expire(self) -> None:
        """Some watch expires, with something unread in it if there is one."""

    def catch_up(self) -> None:
        """Every watch brings all that it has."""

    def turn(self) -> None:
        """The loop comes to what was begun, for a turn."""

    def finish(self) -> None:
        """All that was begun is done."""

    def restart(self) -> None:
        """The index starts anew."""

    def fresh(self) -> World:
        """A world that begins now, and reads everything in another order, at once."""

    def remove_all(self) -> None:
        """All objects go, everywhere."""

    def tell_again(self) -> None:
        """Everything that is known is told again, of the same versions."""


class OneCluster:
    """Ours alone."""

    def __init__(self, law: "Law", random: Random) -> None:
        self.law = law
        self.random = random
        self.here = Cluster(law.makers, random)
        self.past: list[Context[Any]] = []
        self.fill()
        self._start()

    def fill(self) -> None:
        """What there is at first."""
        for _ in range(self.random.randrange(8)):
            self.here.change()

    def _start(self) -> None:
        self.pace = AnyPace(self.random)
        self.world: World = self.law.start(self.pace)
        self.home = self._reading(self.here, self.world.index.home)
        self.home.list_all()

    def _reading(self, cluster: Cluster, context: Context[Any]) -> Reading:
        return Reading(self.world.index, cluster, self.law.resources, context)

    @property
    def readings(self) -> list[Reading]:
        """All that goes on."""
        return [self.home]

    @property
    def all(self) -> Sequence[Cluster]:
        """All clusters."""
        return [self.here]

    def rarely(self) -> Sequence[Callable[[], None]]:
        return []

    def change(self) -> None:
        cluster = self.random.choice([self.here, *self.all])
        for _ in range(self.random.randint(1, 3)):
            cluster.change()
        if self.random.random() < 0.5:
            self.catch_up()

    def renew(self) -> None:
        self.random.choice(self.all).renew()

    def hear(self) -> None:
        self.random.choice(self.readings).some()

    def expire(self) -> None:
        feeds = [feed for reading in self.readings for feed in reading.feeds]
        behind = [feed for feed in feeds if feed.coming]
        self.random.choice(behind or feeds).expire()

    def catch_up(self) -> None:
        for reading in self.readings:
            reading.catch_up()

    def turn(self) -> None:
        self.pace.turn()

    def finish(self) -> None:
        self.pace.finish()

    def restart(self) -> None:
        for reading in self.readings:
            reading.close()
        self._start()

    def fresh(self) -> World:
        world = self.law.start(AtOnce())
        tell(world.index, self.here)
        return world

    def remove_all(self) -> None:
        for cluster in self.all:
            cluster.remove_all()
        self.catch_up()

    def tell_again(self) -> None:
        if self.random.random() < 0.5:
            self.home.list_all()
        else:
            tell(self.world.index, self.here)
