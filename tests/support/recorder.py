"""An HTTP server that writes down what it is sent and answers as a test wants.

It takes requests of clients that hold it for a proxy too: the target is kept as it was written.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self

from aiohttp import web

Reply = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request: method, target as on the request line, headers in their order, body."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def answer(status: int = 200, body: bytes = b"", **headers: str) -> Reply:
    """A reply that is always the same."""

    async def reply(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers=headers)

    return reply


class Recorder:
    """`async with Recorder() as recorder:` serves at `recorder.url` on loopback."""

    def __init__(self, reply: Reply | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        self.reply = reply or answer()
        self.requests: list[Recorded] = []
        self.url = ""
        self._tls = tls
        self._arrived = asyncio.Event()
        self._runner = web.ServerRunner(
            web.Server(self._serve, access_log=None), shutdown_timeout=0.1
        )

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"{'https' if self._tls else 'http'}://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def arrival(self, seconds: float = 10.0) -> None:
        """Returns once a request has come; TimeoutError after `seconds`."""
        await asyncio.wait_for(self._arrived.wait(), seconds)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = tuple((name.decode(), text.decode()) for name, text in request.raw_headers)
        body = await request.read()
        self.requests.append(Recorded(request.method, request.raw_path, headers, body))
        self._arrived.set()
        return await self.reply(request)
