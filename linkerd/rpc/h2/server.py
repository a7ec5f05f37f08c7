"""The server of this engine: `GrpcServer`'s signature and promises."""

import asyncio
from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry

from linkerd.rpc import health
from linkerd.rpc.h2.connection import Connection, Shared
from linkerd.rpc.h2.listening import listen
from linkerd.rpc.h2.served import served
from linkerd.rpc.methods import ServiceTable, paths
from linkerd.rpc.metrics import RpcMetrics
from linkerd.rpc.open_calls import OpenCalls
from linkerd.rpc.options import ServerOptions
from linkerd.runtime.clock import Clock, SystemClock
from linkerd.runtime.errors import StartError
from linkerd.runtime.logs import get_logger
from linkerd.runtime.readiness import Readiness
from linkerd.runtime.values import HostPort

_BACKLOG: Final = 4096
_FLUSH_SECONDS: Final = 0.5  # for clients to read what ended their calls
_log = get_logger(__name__)


class H2Server:
    """Serves `tables` on `address`, together with the health service.

    Holds the gate "grpc" of `readiness` open while it listens. `clock` times the lame duck. Raises
    StartError when channelz is asked for, which this engine has not.
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
        if self.options.channelz:
            raise StartError(
                "the gRPC engine h2 has no channelz; choose grpcio for it (--grpc-engine=grpcio)"
            )
        self.calls = OpenCalls(self.options.max_concurrent_streams)
        self._address = address
        self._clock = clock or SystemClock()
        names = [table.name for table in tables]
        self._names = [*names, health.NAME]
        methods = paths([*tables, health.Health(readiness, names).table()])
        self._shared = Shared(served(methods, RpcMetrics.of(registry), self.calls), self.options)
        self._gate = readiness.gate("grpc")
        self._servers: list[asyncio.Server] = []
        self._stopped: asyncio.Future[None] | None = None

    async def start(self) -> int:
        """Listens; the port. Raises StartError when the address is not to be had."""
        if self.options.reflection:
            from linkerd.rpc.h2.reflection import reflecting  # only where the flag asks for it

            self._shared.routes.update(reflecting(self._names))
        try:
            sockets = listen(self._address)
        except OSError as error:
            raise StartError(
                f"cannot listen on {self._address}; choose another address or end the program "
                "that holds it"
            ) from error
        self.port = sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        self._servers = [
            await loop.create_server(lambda: Connection(self._shared), sock=each, backlog=_BACKLOG)
            for each in sockets
        ]
        self._gate.open()
        _log.info("grpc server listens", addr=str(self._address._replace(port=self.port)))
        return self.port

    async def stop(self, grace: float) -> None:
        """Unready, then the lame duck's time, then GOAWAY; watching calls end with OK, unary ones
        have `grace` seconds to finish. Never raises for what clients do. A second call waits for
        the first."""
        self._gate.close()
        if self._stopped is None:
            self._stopped = asyncio.ensure_future(self._stop(grace))
        await asyncio.shield(self._stopped)

    async def _stop(self, grace: float) -> None:
        if not self._servers:
            return
        await self._clock.sleep(self.options.lame_duck.total_seconds())
        self._shared.stopping = True
        for server in self._servers:
            server.close()
        for connection in tuple(self._shared.connections):
            connection.turn_away()  # the GOAWAY goes first, so that nobody comes back on it
        self.calls.drain()
        idle = asyncio.ensure_future(self.calls.idle())
        await asyncio.wait((idle,), timeout=grace)
        idle.cancel()
        for connection in tuple(self._shared.connections):
            connection.cut("the server is shutting down")
        await self._closed()
        for connection in tuple(self._shared.connections):
            connection.abort()
        await self._closed()

    async def _closed(self) -> None:
        """Waits a little for all connections to end."""
        if lost := [connection.lost for connection in self._shared.connections]:
            await asyncio.wait(lost, timeout=_FLUSH_SECONDS)
