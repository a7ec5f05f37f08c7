"""Another client, and a prober of the admin server, both from a process of their own.

Calls and probes begin at fixed times, whether those before them are answered or not, so that a
server which stands still for a second shows in all the calls of that second.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Final, cast

import uvloop

from tests.support.attacks import frames, priority
from tests.support.attacks.frames import FrameReader, Heard, Ids

_CALL_SECONDS: Final = 0.02
_PING_SECONDS: Final = 0.05
_ACKNOWLEDGED: Final = (frames.SETTINGS, frames.PING)
_PATIENCE: Final = 30.0  # seconds for what is unanswered when the time is up
_PROBE: Final = b"GET /ping HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"


@dataclass(slots=True)
class Witnessed:
    """How long things took, in milliseconds; and how many calls and probes failed."""

    calls_ms: list[float] = field(default_factory=list)
    pings_ms: list[float] = field(default_factory=list)
    calls_failed: int = 0
    pings_failed: int = 0


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so many of the values (0 to 1) are not above; infinite without values."""
    if not values:
        return float("inf")
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def run(says: Connection, port: int, admin: int, niceness: int) -> None:
    """The process: calls and probes until told to stop, and says what it saw."""
    priority.take(niceness)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(port, admin, says))


async def _run(port: int, admin: int, says: Connection) -> None:
    seen, stopped = Witnessed(), asyncio.Event()
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(lambda: _Client(seen), "127.0.0.1", port)
    await client.call()  # a warm-up, which also says that the server serves
    await _probe(admin, seen)
    seen.calls_ms.clear()
    seen.pings_ms.clear()
    loop.add_reader(says.fileno(), stopped.set)
    says.send("ready")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_regularly(client.call, _CALL_SECONDS, stopped))
        tasks.create_task(_regularly(lambda: _probe(admin, seen), _PING_SECONDS, stopped))
    says.send(seen)


async def _regularly(
    what: Callable[[], Awaitable[None]], seconds: float, stopped: asyncio.Event
) -> None:
    """Begins `what` every so many seconds; returns when stopped, and all have ended."""
    due = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        while not stopped.is_set():
            tasks.create_task(_started(what))
            due += seconds
            await asyncio.sleep(due - time.monotonic())


async def _started(what: Callable[[], Awaitable[None]]) -> None:
    await what()


async def _probe(port: int, seen: Witnessed) -> None:
    began = time.monotonic()
    try:
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(_PROBE)
            answer = await reader.read()
            writer.transport.abort()
    except (OSError, TimeoutError):
        seen.pings_failed += 1
        return
    if answer.startswith(b"HTTP/1.1 200 "):
        seen.pings_ms.append((time.monotonic() - began) * 1e3)
    else:
        seen.pings_failed += 1


class _Client(asyncio.Protocol):
    """Unary calls on one connection."""

    def __init__(self, seen: Witnessed) -> None:
        self._seen = seen
        self._ids = Ids()
        self._frames = FrameReader()
        self._waiting: dict[int, asyncio.Future[bool]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins as HTTP/2 does."""
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop has its own
        transport.write(frames.PREFACE + frames.settings())

    def data_received(self, data: bytes) -> None:
        """Answers."""
        for heard in self._frames.feed(data):
            self._acknowledge(heard)
            over = heard.kind == frames.RST_STREAM or (
                heard.kind == frames.HEADERS and heard.flags & frames.END_STREAM
            )
            future = self._waiting.pop(heard.stream, None) if over else None
            if future is not None and not future.done():
                future.set_result(heard.kind == frames.HEADERS)

    def _acknowledge(self, heard: Heard) -> None:
        """SETTINGS and PINGs, as servers give up clients that do not."""
        if heard.kind in _ACKNOWLEDGED and not heard.flags & frames.ACK:
            payload = heard.payload if heard.kind == frames.PING else b""
            self._transport.write(frames.frame(heard.kind, frames.ACK, 0, payload))

    def connection_lost(self, exc: Exception | None) -> None:
        """All calls have failed, and all later ones will."""
        for future in self._waiting.values():
            if not future.done():
                future.set_result(False)

    async def call(self) -> None:
        """One call; counts how it went."""
        stream = self._ids.next()
        future = self._waiting[stream] = asyncio.get_running_loop().create_future()
        began = time.monotonic()
        if self._transport.is_closing():
            future.set_result(False)
        else:
            self._transport.write(frames.call(stream))
        try:
            async with asyncio.timeout(_PATIENCE):
                served = await future
        except TimeoutError:
            served = False
        if served:
            self._seen.calls_ms.append((time.monotonic() - began) * 1e3)
        else:
            self._seen.calls_failed += 1
