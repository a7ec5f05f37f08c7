"""An HTTPS server for the API server as its client: few connections that are kept, and everything
bounded that others may try.

HTTP is aiohttp's (HTTP/1.1, kept alive). What is ours: each connection is made with the certificate
of the moment, their number is bounded, those that ask nothing go first, and the end is orderly.
The API server keeps an idle connection for 90 seconds; we keep it for longer, so that it is always
the one to hang up and no request is lost on a connection that we just closed.
"""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge

from linkerd.runtime.admin import listen
from linkerd.runtime.clock import Clock
from linkerd.runtime.logs import get_logger
from linkerd.runtime.metrics import PlainCounter
from linkerd.runtime.values import HostPort
from linkerd.webhook.tls import Tls

Handler = Callable[[web.BaseRequest], Awaitable[web.Response]]

_BACKLOG: Final = 1024
_SHUTDOWN_SECONDS: Final = 3.0  # for a client to take the last bytes when we hang up
_NO_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PAUSE: Final = 0.2

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """`connections` at once; more wait until one that was idle for `spare_seconds`, or has not
    shaken hands in that time, has been closed for them. Three quarters full, clients are told to
    close theirs after each answer. The first request must come whole within
    `first_request_seconds` of the handshake, each later one within `idle_seconds` of the answer
    before."""

    connections: int = 1_000
    handshake_seconds: float = 10.0
    first_request_seconds: float = 15.0
    idle_seconds: float = 180.0
    spare_seconds: float = 2.0


class _Connections(web.Server):
    """aiohttp's part; tells when connections come and go."""

    def __init__(
        self, handler: Handler, limits: ConnectionLimits, lost: Callable[[], None]
    ) -> None:
        super().__init__(
            handler, access_log=None, keepalive_timeout=limits.idle_seconds, auto_decompress=False,
            lingering_time=1.0,
        )  # fmt: skip
        self._limits = limits
        self._lost = lost
        self.idle: dict[web.RequestHandler, float] = {}
        """Since when, of those that have no request in progress; the longest idle first."""

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        loop = asyncio.get_running_loop()
        self.idle[handler] = came = loop.time()
        loop.call_later(self._limits.first_request_seconds, self._require_request, handler, came)

    def connection_lost(
        self, handler: web.RequestHandler, exc: BaseException | None = None
    ) -> None:
        super().connection_lost(handler, exc)
        self.idle.pop(handler, None)
        self._lost()

    def drop_idlest(self) -> None:
        """Closes the connection that has been idle longest, if that is long enough."""
        handler, since = next(iter(self.idle.items()), (None, 0.0))
        idle = asyncio.get_running_loop().time() - since
        if handler is not None and idle >= self._limits.spare_seconds:
            _abort(handler)

    def _require_request(self, handler: web.RequestHandler, came: float) -> None:
        if self.idle.get(handler) == came:
            _abort(handler)


def _abort(handler: web.RequestHandler) -> None:
    """Hangs up at once: nothing is under way, and a farewell would wait for a client that is silent
    already."""
    if handler.transport is not None:
        handler.transport.abort()


class HttpsServer:
    """Serves `handler` on `address`. `start`, then `stop` once."""

    def __init__(
        self,
        address: HostPort,
        tls: Tls,
        handler: Handler,
        *,
        limits: ConnectionLimits,
        clock: Clock,
        registry: CollectorRegistry,
    ) -> None:
        self._address = address
        self._tls = tls
        self._handler = handler
        self._limits = limits
        self._clock = clock
        self._room = asyncio.Semaphore(limits.connections)
        self._open = 0
        self._ending = False
        self._admitting: dict[asyncio.Task[None], float] = {}
        """Handshakes under way and since when, the oldest first."""
        self._responses = PlainCounter(
            "https_responses_total", "Answers by status code.", ["code"], registry
        )
        self._failed = PlainCounter(
            "https_handshakes_failed_total",
            "Connections that ended before a request.",
            [],
            registry,
        )
        Gauge("https_connections", "Connections that are open.", registry=registry).set_function(
            lambda: self._open
        )

    async def start(self) -> int:
        """Listens; the port. Raises StartError when the address is not to be had."""
        self._connections = _Connections(self._handle, self._limits, self._on_lost)
        self._listener = listen(self._address)
        self._listener.listen(_BACKLOG)
        self._listener.setblocking(False)
        self._accepting = asyncio.create_task(self._accept(), name="https accept")
        return int(self._listener.getsockname()[1])

    async def stop(self, lame_duck: float, grace: float) -> None:
        """Serves on for `lame_duck` seconds while clients learn to go elsewhere, answers what is in
        progress within `grace` more, and hangs up."""
        self._ending = True
        await self._clock.sleep(lame_duck)
        self._accepting.cancel()
        await asyncio.wait((self._accepting,))
        self._listener.close()
        for admission in self._admitting:
            admission.cancel()
        self._connections.pre_shutdown()
        await self._connections.shutdown(grace)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._listener)
            except OSError as error:  # of the connection, or of the process
                if error.errno in _NO_DESCRIPTORS:
                    _log.error("cannot accept connections", error=str(error))
                    self._connections.drop_idlest()
                    await self._clock.sleep(_PAUSE)
                continue
            try:
                await self._make_room()
            except asyncio.CancelledError:
                connection.close()
                raise
            admission = asyncio.create_task(self._admit(connection), name="https handshake")
            self._admitting[admission] = loop.time()
            admission.add_done_callback(self._admitting.pop)

    async def _make_room(self) -> None:
        while self._room.locked():
            self._connections.drop_idlest()
            self._drop_slowest_handshake()
            with suppress(TimeoutError):
                async with asyncio.timeout(_PAUSE):
                    await self._room.acquire()
                    return
        await self._room.acquire()

    def _drop_slowest_handshake(self) -> None:
        admission, since = next(iter(self._admitting.items()), (None, 0.0))
        age = asyncio.get_running_loop().time() - since
        if admission is not None and age >= self._limits.spare_seconds:
            admission.cancel()

    async def _admit(self, connection: socket.socket) -> None:
        """The handshake, after which the connection lives by itself."""
        self._open += 1
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._connections,
                connection,
                ssl=self._tls.context,
                ssl_handshake_timeout=self._limits.handshake_seconds,
                ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
            )
        except (OSError, asyncio.CancelledError) as error:
            self._failed.inc()  # the loop has closed the connection, which it took over
            self._on_lost()
            if isinstance(error, asyncio.CancelledError):
                raise

    def _on_lost(self) -> None:
        self._open -= 1
        self._room.release()

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        connection = request.protocol
        self._connections.idle.pop(connection, None)
        try:
            response = await self._answer(request)
        finally:
            if connection.transport is not None:
                self._connections.idle[connection] = asyncio.get_running_loop().time()
        if self._ending or self._open > self._limits.connections * 3 // 4:
            response.force_close()
        self._responses.labels(str(response.status)).inc()
        return response

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        try:
            return await self._handler(request)
        except Exception:  # noqa: BLE001  # the server lives on
            _log.exception("a request failed", path=request.path)
            return web.Response(
                status=HTTPStatus.INTERNAL_SERVER_ERROR,
                text="the server failed; its log says why\n",
            )
