"""What all engines have in common: how a server is made, begins and ends."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from linkerd.rpc import health
from linkerd.rpc.methods import ServiceTable, paths
from linkerd.rpc.metrics import RpcMetrics
from linkerd.rpc.open_calls import OpenCalls
from linkerd.rpc.options import ServerOptions
from linkerd.runtime.clock import Clock, SystemClock
from linkerd.runtime.errors import StartError
from linkerd.runtime.logs import get_logger
from linkerd.runtime.readiness import Readiness
from linkerd.runtime.values import HostPort

_log = get_logger(__name__)


class Server(ABC):
    """Serves `tables` on `address`, together with the health service.

    Holds the gate "grpc" of `readiness` open while it listens. `clock` times the lame duck. An
    engine listens (`_listen`) and winds down (`_wind_down`).
    """

    def __init__(
        self,
        address: HostPort,
        tables: Sequence[ServiceTable],
        *,
        readiness: Readiness,
        registry: CollectorRegistry,
        options: ServerOptions | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.port = 0
        self.options = options or ServerOptions()
        self.calls = OpenCalls(self.options, RpcMetrics.of(registry))
        self._address = address
        self._registry = registry
        self._clock = clock or SystemClock()
        names = [table.name for table in tables]
        self._names = [*names, health.NAME]
        self._methods = paths([*tables, health.Health(readiness, names).table()])
        self._gate = readiness.gate("grpc")
        self._stopped: asyncio.Future[None] | None = None

    async def start(self) -> int:
        """Listens; the port. Raises StartError when the address is not to be had."""
        try:
            self.port = await self._listen()
        except OSError as error:
            raise StartError(
                f"cannot listen on {self._address}; choose another address or end the program "
                "that holds it"
            ) from error
        self._gate.open()
        _log.info("grpc server listens", addr=str(self._address._replace(port=self.port)))
        return self.port

    async def stop(self, grace: float) -> None:
        """Unready, then the lame duck's time, then GOAWAY; watching calls end with OK, unary ones
        have `grace` seconds to finish. Never raises for what clients do. A second call waits for
        the first."""
        self._gate.close()
        if not self.port:
            return
        if self._stopped is None:
            self._stopped = asyncio.ensure_future(self._stop(grace))
        await asyncio.shield(self._stopped)

    async def _stop(self, grace: float) -> None:
        await self._clock.sleep(self.options.lame_duck.total_seconds())
        await self._wind_down(grace)

    @abstractmethod
    async def _listen(self) -> int:
        """Begins to serve; the port. Raises OSError."""

    @abstractmethod
    async def _wind_down(self, grace: float) -> None:
        """Turns clients away, and ends what is in progress."""
