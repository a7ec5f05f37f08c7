"""The server of this engine."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from linkerd.rpc.h2.admission import Admission
from linkerd.rpc.h2.connection import Connection, Shared
from linkerd.rpc.h2.handlers import served
from linkerd.rpc.h2.listening import listen
from linkerd.rpc.h2.receiving import Holdings
from linkerd.rpc.h2.turns import LoopTimers, Turns
from linkerd.rpc.methods import ServiceTable
from linkerd.rpc.metrics import ConnectionMetrics, RpcMetrics
from linkerd.rpc.server import Server
from linkerd.runtime.errors import StartError
from linkerd.runtime.values import HostPort

_BACKLOG: Final = 4096
_FLUSH_SECONDS: Final = 0.5  # for clients to read what ended their calls


class H2Server(Server):
    """As `Server`. Raises StartError when channelz is asked for, which this engine has not."""

    _shared: Shared

    def __init__(self, address: HostPort, tables: Sequence[ServiceTable], **options: Any) -> None:
        super().__init__(address, tables, **options)
        self._servers: list[asyncio.Server] = []
        if self.options.channelz:
            raise StartError(
                "the gRPC engine h2 has no channelz; choose grpcio for it (--grpc-engine=grpcio)"
            )

    async def _listen(self) -> int:
        loop = asyncio.get_running_loop()
        sockets = await asyncio.to_thread(listen, self._address)  # it may ask for a name
        timers = LoopTimers(loop)
        metrics = ConnectionMetrics.of(self._registry)
        routes = served(self._methods, RpcMetrics.of(self._registry), self.calls, loop.create_task)
        if self.options.reflection:
            from linkerd.rpc.h2.reflection import reflecting  # only where the flag asks for it

            routes.update(reflecting(self._names))
        self._shared = shared = Shared(
            routes,
            self.options,
            metrics,
            timers,
            Turns(loop),
            Admission(self.options.max_connections, metrics, timers),
            Holdings(self.options.max_held_bytes),
        )
        self._servers = [
            await loop.create_server(lambda: Connection(shared), sock=each, backlog=_BACKLOG)
            for each in sockets
        ]
        port: int = sockets[0].getsockname()[1]
        return port

    async def _wind_down(self, grace: float) -> None:
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
