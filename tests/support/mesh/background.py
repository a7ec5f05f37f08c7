"""An event loop in a thread of its own: applications are served and bytes are handed on there,
while a test waits for answers."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, Self, TypeVar

_T = TypeVar("_T")
_Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
_CHUNK: Final = 1 << 16
_SECONDS: Final = 10.0


class Background:
    """`with Background() as background:`; what is served there ends with it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """What it returns; it is run there."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_SECONDS)

    def serve(self, listening: socket.socket, connected: _Connected) -> Callable[[], None]:
        """Accepts connections, which are closed when `connected` is done with them. What comes back
        stops that, and ends those that are open."""
        links: set[asyncio.Task[None]] = set()

        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            link = asyncio.current_task()
            assert link is not None  # a server's
            links.add(link)
            with suppress(OSError, EOFError, asyncio.CancelledError):  # either side may leave
                try:
                    await connected(reader, writer)
                finally:
                    links.discard(link)
                    writer.close()

        server = self.run(asyncio.start_server(accepted, sock=listening))
        self._servers.append(server)

        def stop() -> None:
            server.close()
            for link in tuple(links):
                link.cancel()

        return lambda: self.run(_called(stop))

    def relay(
        self,
        listening: socket.socket,
        unconnected: Callable[[], socket.socket],
        to: tuple[str, int],
    ) -> Callable[[], None]:
        """Hands on what comes to a listening socket, over sockets that `unconnected` makes. What
        comes back stops that."""

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            beyond = unconnected()
            beyond.setblocking(False)
            await asyncio.get_running_loop().sock_connect(beyond, to)
            back, forth = await asyncio.open_connection(sock=beyond)
            await asyncio.gather(_pump(reader, forth), _pump(back, writer))

        return self.serve(listening, connected)

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # for transports to close


async def _called(work: Callable[[], None]) -> None:
    work()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
    finally:
        writer.close()
