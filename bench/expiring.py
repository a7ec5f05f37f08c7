"""A way to the API server that forgets the past on demand: every open watch ends with a 410.

What etcd's compaction and an API server's restart do together, without harm to the server: whoever
watches through here has to list everything again. Plain HTTP on loopback, with the credentials of
the client that it forwards to.
"""

import asyncio
import json
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

import yaml
from aiohttp import web

from linkerd.kube.client import KubeClient
from linkerd.kube.errors import ApiError

_EXPIRED: Final = {"kind": "Status", "code": 410, "reason": "Expired", "message": "forgotten"}
_FORGOTTEN: Final = json.dumps({"type": "ERROR", "object": _EXPIRED}).encode() + b"\n"


class ExpiringProxy:
    """`async with ExpiringProxy(client) as proxy:` forwards lists and watches to `client`."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._expired = asyncio.Event()
        self._watches = 0
        self._runner: web.AppRunner
        self._url = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self._url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.expire()
        await self._runner.cleanup()

    def kubeconfig(self, directory: Path) -> Path:
        """A kubeconfig, in `directory`, that leads here."""
        content = {
            "current-context": "proxy",
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
            "clusters": [{"name": "proxy", "cluster": {"server": self._url}}],
            "users": [{"name": "proxy", "user": {}}],
        }
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / "expiring-kubeconfig.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    def expire(self) -> int:
        """Tells every open watch that it is too late, and ends it; how many those were."""
        self._expired.set()
        self._expired = asyncio.Event()
        return self._watches

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("watch") == "true":
            return await self._watch(request)
        accept = request.headers["Accept"]
        try:
            body = await self._client.request(
                "GET", request.path, query=request.query, accept=accept, timeout=60
            )
        except ApiError as error:
            status = {"kind": "Status", "code": error.status, "message": error.message}
            return web.json_response(status, status=error.status)
        return web.Response(body=body, content_type="application/json")

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        self._watches += 1
        works: list[Coroutine[Any, Any, object]] = [
            self._pump(request, response),
            self._expired.wait(),
        ]
        pump, end = tasks = [asyncio.create_task(work) for work in works]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if end.done():
                with suppress(ConnectionError):  # the client may be gone by now
                    await response.write(_FORGOTTEN)
        finally:
            self._watches -= 1
            pump.cancel()
            end.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return response

    async def _pump(self, request: web.Request, response: web.StreamResponse) -> None:
        accept = request.headers["Accept"]
        async with self._client.stream(request.path, query=request.query, accept=accept) as batches:
            async for lines in batches:
                await response.write(b"".join(line + b"\n" for line in lines))
