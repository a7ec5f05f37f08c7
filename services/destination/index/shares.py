"""What one origin adds to a port of a service, and its parts for those who ask."""

from collections.abc import Callable, Hashable, Iterator
from typing import Any, Final
from weakref import finalize

from linkerd.index import Owner
from services.destination.index.audiences import (
    Addresses,
    Audience,
    Filter,
    Pool,
    Pools,
    Selection,
)
from services.destination.index.context import Context
from services.destination.index.merged import MergedPort
from services.destination.index.origins import HOME, Origin

_STEP: Final = 1_000  # of a table, freed at a time
_HUGE: Final = 10_000  # endpoints of a set, which take some 5 ms to free


class Share:
    """What one origin adds to a port, by filter; `origin` tells its endpoint sets from others'."""

    __slots__ = ("_owner", "_pools", "_selections", "_touched", "merged", "origin")

    def __init__(
        self,
        context: Context,
        origin: Origin,
        port: int,
        owner: Owner,
        touched: Callable[[], None],
    ) -> None:
        self._owner = owner
        self._touched = 0  # sockets, in all updates
        self.origin = origin
        self.merged = MergedPort(context, origin.service, port, touched)
        self._pools = Pools()
        self._selections: dict[Pool, dict[Filter, Selection]] = {}

    def update(self) -> list[Selection]:
        """What was put together counts from now on; the selections that differ."""
        merged = self.merged
        before, labels = merged.addresses, merged.labels
        touched = merged.become()
        concerned = self._pools.update(before, merged.addresses, touched)
        if merged.labels != labels:
            concerned = set(self._selections)
        changed = []
        for pool in concerned & self._selections.keys():
            for selection in self._selections[pool].values():
                last = selection.current
                if selection.update(self._in(pool), touched, merged.labels, merged.census):
                    changed.append(selection)
                    if len(last.addresses) >= _HUGE:
                        held = [last.addresses]
                        finalize(last, self._let_go, held, self._touched).atexit = False
        self._touched += len(touched)
        return changed

    def _let_go(self, held: list[Addresses], touched: int) -> None:
        """The last reader of an endpoint set has left it. What it alone knew, if that may be much,
        is freed step by step and not by that reader."""
        if self._touched - touched >= _STEP:
            self._owner.tidy(_freeing(held))

    def join(self, only: Filter, user: Hashable) -> Selection:
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

    def leave(self, selection: Selection, user: Hashable) -> None:
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


def _freeing(held: list[Addresses]) -> Iterator[None]:
    """Frees a table that nobody else holds any more but by `held`."""
    addresses = held.pop()
    known: list[Any] = [*addresses, *addresses.values()]
    del addresses
    while known:
        del known[-_STEP:]
        yield
