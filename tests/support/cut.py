"""A loopback TCP proxy in front of a server, to take the server away and give it back.

`cut` is a dead server: connections are reset, new ones too. `stall` is one that hangs: connections
stay open and nothing moves. `swallow` is one that has vanished: as `stall`, and what was sent is
lost for good. `heal` ends any of these. The server itself never notices, so that one server
can serve a whole test run.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import yaml

from tests.support.clock import settle

_CHUNK: Final = 64 * 1024
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER: close at once, with RST


class CutProxy:
    """`async with CutProxy(host, port) as proxy:` listens on 127.0.0.1:`proxy.port`."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server
        self._links: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._swallowing = False
        self._changed = asyncio.Condition()
        self.port = 0
        self.accepted = 0  # connections so far, those that were reset at once included

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await settle()  # so that who has just come has a handler, which lets go of the connection
        await self.cut()
        await settle()
        await self._server.wait_closed()

    @property
    def open_connections(self) -> int:
        """How many connections stand now."""
        return len(self._links)

    async def cut(self) -> None:
        """Resets all connections and every new one."""
        self._refusing = True
        self._flowing.set()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    def stall(self) -> None:
        """Keeps connections, and takes new ones, but moves nothing any more."""
        self._flowing.clear()

    def swallow(self) -> None:
        """Loses everything; connections that stand by the time of `heal` never move again."""
        self._flowing.clear()
        self._swallowing = True

    def heal(self) -> None:
        """Everything flows, what was held back first."""
        if self._swallowing:
            self._swallowing = False
            self._flowing = asyncio.Event()
        self._refusing = False
        self._flowing.set()

    async def until(self, condition: Callable[["CutProxy"], bool], timeout: float = 30.0) -> None:
        """Returns once the condition holds, checked whenever a connection comes or goes."""
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(lambda: condition(self))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._refusing:
            _reset(writer)
            await self._notify()
            return
        link = asyncio.create_task(self._link(reader, writer), name="cut proxy link")
        self._links.add(link)
        await self._notify()
        await asyncio.wait([link])
        _reset(writer)  # a link that was cut before it had begun has not done it
        self._links.discard(link)
        await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        flowing = self._flowing
        await flowing.wait()
        try:
            back_reader, back_writer = await asyncio.open_connection(*self._target)
        except OSError:
            _reset(writer)
            return
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, back_writer, flowing))
                pumps.create_task(self._pump(back_reader, writer, flowing))
        except* OSError:
            pass  # either side reset its connection: so is the other's
        finally:
            _reset(writer)
            _reset(back_writer)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flowing: asyncio.Event
    ) -> None:
        while chunk := await reader.read(_CHUNK):
            await flowing.wait()
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    opened: socket.socket | None = writer.get_extra_info("socket")
    if opened is not None and not writer.is_closing():
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


def api_server_of(kubeconfig: Path) -> tuple[str, int]:
    """Host and port of the first cluster in a kubeconfig."""
    server = urlsplit(_load(kubeconfig)["clusters"][0]["cluster"]["server"])
    return server.hostname or "", server.port or 443


def kubeconfig_through(kubeconfig: Path, proxy: CutProxy, directory: Path) -> Path:
    """A copy of the kubeconfig, in `directory`, whose first cluster is reached through the proxy.

    The original host stays the name that the server's certificate is checked against.
    """
    content = _load(kubeconfig)
    cluster = content["clusters"][0]["cluster"]
    host, _ = api_server_of(kubeconfig)
    scheme = urlsplit(cluster["server"]).scheme
    cluster["server"] = f"{scheme}://127.0.0.1:{proxy.port}"
    if scheme == "https":
        cluster.setdefault("tls-server-name", host)
    copy = directory / f"kubeconfig-through-{proxy.port}.yaml"
    copy.write_text(yaml.safe_dump(content))
    copy.chmod(0o600)
    return copy


def _load(kubeconfig: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(kubeconfig.read_text())
    return content
