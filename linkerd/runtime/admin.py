"""The admin server of a process: liveness, readiness, metrics, and debug pages behind a flag.

It starts before anything else and stops last, so that probes get an answer while caches sync.
`/ping` and `/live` answer as long as the event loop turns.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry

from linkerd.runtime import profiling
from linkerd.runtime.errors import StartError
from linkerd.runtime.metrics import CONTENT_TYPE, exposition, snapshot
from linkerd.runtime.readiness import Readiness
from linkerd.runtime.values import HostPort

Page = Callable[[web.Request], Awaitable[web.StreamResponse]]

_GRACE: Final = 1.0  # seconds for requests under way to end once the server stops
_HEADER_BYTES: Final = 8190


class AdminServer:
    """HTTP on `address`: GET /ping, /live, /ready, /metrics, and what `pages` has by path at the
    time; everything else is 404."""

    def __init__(
        self,
        address: HostPort,
        *,
        readiness: Readiness,
        registry: CollectorRegistry,
        profiling: bool = False,
        pages: Mapping[str, Page] | None = None,
    ) -> None:
        self._address = address
        self._readiness = readiness
        self._registry = registry
        self._pages = {} if pages is None else pages
        self._app = web.Application(client_max_size=_HEADER_BYTES)
        self._runner: web.AppRunner | None = None
        self.port = 0
        for path, page in (
            ("/ping", _pong),
            ("/live", _pong),
            ("/ready", self._ready),
            ("/metrics", self._metrics),
        ):
            self.add_page(path, page)
        if profiling:
            self._add_profiling()
        self.add_page("/{path:.*}", self._other)

    def add_page(self, path: str, handler: Page) -> None:
        """Serves GET `path`; before `start` only."""
        self._app.router.add_get(path, handler)

    async def start(self) -> int:
        """Listens; the port. Raises StartError when the address is not to be had."""
        listener = listen(self._address)
        self._runner = web.AppRunner(
            self._app, access_log=None, handle_signals=False, shutdown_timeout=_GRACE
        )
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()
        self.port = listener.getsockname()[1]
        return self.port

    async def stop(self) -> None:
        """Closes the listener and the connections; requests under way get a second or two."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _ready(self, _request: web.Request) -> web.Response:
        if self._readiness.ready:
            return web.Response(text="ok\n")
        waiting = ", ".join(self._readiness.waiting)
        return web.Response(status=500, text=f"not ready: {waiting}\n")

    async def _metrics(self, _request: web.Request) -> web.Response:
        # Collectors look at what belongs to the loop; writing it out, which takes longer, does not.
        body = await asyncio.to_thread(exposition, snapshot(self._registry))
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    async def _other(self, request: web.Request) -> web.StreamResponse:
        page = self._pages.get(request.path)
        if page is None:  # not raised: an exception would hold what is above it in a cycle
            return web.Response(status=404, text="404: Not Found")
        return await page(request)

    def _add_profiling(self) -> None:
        self.add_page("/debug/tasks", profiling.tasks_page)
        self.add_page("/debug/profile", profiling.profile_page)


async def _pong(_request: web.Request) -> web.Response:
    return web.Response(text="pong\n")


def listen(address: HostPort) -> socket.socket:
    """A listening TCP socket; on IPv6 and IPv4 when the host is empty. Raises StartError."""
    family, host = socket.AF_INET, address.host
    dual = not host and socket.has_dualstack_ipv6()
    try:
        if host:
            family = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][0]
        elif dual:
            family = socket.AF_INET6
        return socket.create_server(
            (host, address.port), family=family, dualstack_ipv6=dual, backlog=128
        )
    except OSError as error:
        raise StartError(
            f"cannot listen on {address}: {error.strerror or error}; choose another address "
            "or end the program that holds it"
        ) from error
