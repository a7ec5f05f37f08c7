"""What peers may cost us without any benefit, beyond one connection's life.

Frames that bring nothing are next to nothing for who sends them and microseconds of the event loop
for us. `costs` says what each costs, in units of about five microseconds. A client that behaves
sends them now and then, or in answer to data, which `earn` accounts for. Who is beyond its budget
is slowed: it gets a small share of the time. Who goes on is closed, and its address turned away for
a while.

A budget belongs to an address, so that a new connection brings no new one. But all clients of a
mesh may come through a sidecar, whose connections come from this host: to turn that away would be
what an attacker wants. So connections of this host have a budget each, and together one for the
process: while that is spent, new ones begin with little.
"""

from enum import Enum
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final, Protocol

BURST: Final = 20_000
DEBT: Final = 10_000  # in which a peer is only slowed
PER_SECOND: Final = 200.0
CONNECTION_COST: Final = 4
PER_FRAME: Final = 4  # a client may answer a DATA frame with a PING and two WINDOW_UPDATEs
_BYTES_A_UNIT: Final = 2048  # it may take a large one by the kilobyte
_GOOD_FRAME: Final = 512  # bytes
_LOCAL_SHARE: Final = 5  # how many times one's budget all connections of this host have together
_MEAGRE: Final = BURST // 10
_ADDRESSES: Final = 4096  # that are remembered
_QUIET_SECONDS: Final = 60.0  # between two log lines about an address


class Standing(Enum):
    """How a peer is to be treated."""

    GOOD = "good"
    SLOWED = "slowed"
    CLOSED = "closed"


def earned(size: int, *, ends: bool) -> int:
    """What a DATA frame of ours with `size` bytes of a message earns the peer; negative for one
    that is small only because there was no room for more. `ends`: the message ends with it."""
    if size < _GOOD_FRAME and not ends:
        return -1
    return max(PER_FRAME, size // _BYTES_A_UNIT)


class Allowance(Protocol):
    """What a connection spends from. `now` is in seconds of any clock that does not go back."""

    def earn(self, units: int) -> None:
        """The peer got something that it may answer; see `earned`."""

    def spend(self, cost: int, now: float) -> Standing:
        """The peer did something useless; how it stands now."""

    def standing(self, now: float) -> Standing:
        """How it stands."""

    def may_log(self, now: float) -> bool:
        """Whether a line may be logged about it; True only once in a while."""


class Budget:
    """Of an address: `left` units. An `Allowance`."""

    __slots__ = ("_burst", "_checked", "_logged", "_per_second", "left")

    def __init__(self, now: float, share: int = 1) -> None:
        self._burst = BURST * share
        self._per_second = PER_SECOND * share
        self.left = float(self._burst)
        self._checked = now
        self._logged: float | None = None

    def earn(self, units: int) -> None:
        self.left += units

    def spend(self, cost: int, now: float) -> Standing:
        self._refill(now)
        self.left -= cost
        return self._judge()

    def standing(self, now: float) -> Standing:
        self._refill(now)
        return self._judge()

    def reduce(self, left: int) -> None:
        """Leaves no more than `left`."""
        self.left = min(self.left, left)

    def barred(self, now: float) -> bool:
        """Whether the address is in such debt that its new connections are turned away."""
        self._refill(now)
        return self.left < -DEBT / 2

    def may_log(self, now: float) -> bool:
        if self._logged is not None and now - self._logged < _QUIET_SECONDS:
            return False
        self._logged = now
        return True

    def _refill(self, now: float) -> None:
        self.left = min(self.left + (now - self._checked) * self._per_second, self._burst)
        self._checked = now

    def _judge(self) -> Standing:
        if self.left >= 0:
            return Standing.GOOD
        return Standing.SLOWED if self.left >= -DEBT else Standing.CLOSED


class LocalBudget:
    """Of one connection of this host. An `Allowance`."""

    __slots__ = ("_own", "_together")

    def __init__(self, together: Budget, now: float) -> None:
        self._together = together
        self._own = Budget(now)
        if together.standing(now) is not Standing.GOOD:
            self._own.reduce(_MEAGRE)

    def earn(self, units: int) -> None:
        self._own.left += units
        self._together.left += units

    def spend(self, cost: int, now: float) -> Standing:
        self._together.spend(cost, now)
        return self._own.spend(cost, now)

    def standing(self, now: float) -> Standing:
        return self._own.standing(now)

    def may_log(self, now: float) -> bool:
        return self._together.may_log(now)


class Budgets:
    """Of all peers of a server; those longest unheard of are forgotten."""

    def __init__(self, now: float) -> None:
        self._together = Budget(now, _LOCAL_SHARE)
        self._of = lru_cache(_ADDRESSES)(lambda _address: Budget(now))

    def admit(self, peer: str, here: str, now: float) -> Allowance | None:
        """What a new connection from host `peer` to our host `here` (both IPs) may spend; None when
        it is to be turned away."""
        if _is_local(peer, here):
            allowance: Allowance = LocalBudget(self._together, now)
        else:
            budget = self._of(_network(peer))
            if budget.barred(now):
                return None
            allowance = budget
        allowance.spend(CONNECTION_COST, now)
        return allowance


def _is_local(peer: str, here: str) -> bool:
    """Whether `peer` is this host: a sidecar shares the pod's address, too."""
    if peer == here:
        return True
    try:
        return ip_address(peer).is_loopback
    except ValueError:  # no IP address: a socket of this host
        return True


def _network(peer: str) -> str:
    """Who has an IPv6 address has the 2**64 beside it, too."""
    address = ip_address(peer)
    return str(int(address) >> 64) if isinstance(address, IPv6Address) else peer
