"""Where a connection is charged, and what is told about those that flood."""

from linkerd.rpc.h2.budget import Allowance, Standing
from linkerd.rpc.h2.costs import Cost
from linkerd.rpc.h2.timers import Timers
from linkerd.rpc.metrics import ConnectionMetrics
from linkerd.runtime.logs import get_logger

_log = get_logger(__name__)


class FloodMeter:
    """Of one connection. `standing` is how its peer stood when it was last charged."""

    def __init__(
        self, allowance: Allowance, peer: str, timers: Timers, metrics: ConnectionMetrics
    ) -> None:
        self.standing = Standing.GOOD
        self.spent = 0
        self._allowance = allowance
        self._peer = peer
        self._timers = timers
        self._metrics = metrics

    def charge(self, cost: Cost) -> None:
        """Lets the peer pay."""
        if not cost.units:
            return
        self.spent += cost.units
        before = self.standing
        self.standing = self._allowance.spend(cost.units, self._timers.time())
        if self.standing is not before and self.standing is not Standing.GOOD:
            self._tell(cost.reason)

    def look(self) -> Standing:
        """How the peer stands now; time helps."""
        if self.standing is Standing.SLOWED:
            self.standing = self._allowance.standing(self._timers.time())
        return self.standing

    def _tell(self, reason: str) -> None:
        self._metrics.flood(self.standing.value, reason)
        if self._allowance.may_log(self._timers.time()):
            _log.warning(
                "a client floods its connection, which is slowed, and closed if that goes on",
                peer=self._peer,
                reason=reason,
            )
