"""Who may connect: not too many at once, and nobody who floods."""

import ipaddress
from asyncio import BaseTransport
from typing import Any, Final, NamedTuple, Self

from linkerd.rpc.file_descriptors import connection_limit
from linkerd.rpc.h2.budget import Allowance, Budgets
from linkerd.rpc.h2.timers import Timers
from linkerd.rpc.metrics import ConnectionMetrics
from linkerd.runtime.logs import get_logger

_QUIET_SECONDS: Final = 60.0  # between two log lines
_log = get_logger(__name__)


class Peer(NamedTuple):
    """`host` and our own address `here` as IP addresses; `name` as `Call.peer`."""

    host: str
    here: str
    name: str

    @classmethod
    def of(cls, transport: BaseTransport) -> Self:
        """The other end of a transport."""
        peer, here = (transport.get_extra_info(each) for each in ("peername", "sockname"))
        host = _host(peer)
        return cls(host, _host(here), _name(peer, host))


class Admission:
    """Of one server. `most` connections may be open, and fewer if the process may open fewer
    files."""

    def __init__(self, most: int, metrics: ConnectionMetrics, timers: Timers) -> None:
        self._most = most
        self._metrics = metrics
        self._timers = timers
        self._budgets = Budgets(timers.time())
        self._logged = -_QUIET_SECONDS

    def admit(self, peer: Peer, connections: int) -> Allowance | None:
        """The allowance of a new connection beside so many others; None: it is turned away."""
        now = self._timers.time()
        limit = connection_limit(self._most)
        if connections >= limit:
            self._metrics.refused("limit")
            if now - self._logged >= _QUIET_SECONDS:
                self._logged = now
                _log.warning(
                    "too many connections: new ones are turned away until others end",
                    limit=limit,
                    peer=peer.name,
                )
            return None
        allowance = self._budgets.admit(peer.host, peer.here, now)
        if allowance is None:
            self._metrics.refused("flood")
        return allowance


def _host(address: Any) -> str:
    """The IP address of a socket's; "" of others. IPv4's within IPv6 are IPv4's."""
    if not isinstance(address, tuple):
        return ""
    host = str(address[0])
    if ":" not in host:
        return host
    mapped = ipaddress.IPv6Address(host.partition("%")[0]).ipv4_mapped
    return host if mapped is None else str(mapped)


def _name(address: Any, host: str) -> str:
    if not host:
        return str(address or "")
    return f"ipv6:[{host}]:{address[1]}" if ":" in host else f"ipv4:{host}:{address[1]}"
