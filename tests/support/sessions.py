"""A session of the h2 engine without sockets, tasks or time of its own, and a client beside it.

Nothing happens unless it is asked for: `turn` works off what was sent and runs what has begun,
`timers.advance` lets time pass, and methods that wait go on once `released`.
"""

import asyncio
import heapq
import itertools
import types
from collections import Counter
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, Event
from hyperframe.frame import Frame, GoAwayFrame
from prometheus_client import CollectorRegistry

from linkerd.rpc.h2.budget import Allowance, Budgets
from linkerd.rpc.h2.handlers import served
from linkerd.rpc.h2.receiving import Holdings, Receiving
from linkerd.rpc.h2.session import Session
from linkerd.rpc.h2.streams import Handler, Stream
from linkerd.rpc.methods import paths
from linkerd.rpc.metrics import ConnectionMetrics, RpcMetrics
from linkerd.rpc.open_calls import OpenCalls
from linkerd.rpc.options import ServerOptions
from tests.support.http2 import GRPC
from tests.support.rpc import World

FOREVER = float("inf")


def fields(path: str, **more: str) -> list[tuple[str, str]]:
    """The headers of a request; empty ones are left out, and _ stands for -."""
    given = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "test", **GRPC}
    named = {name.replace("_", "-"): value for name, value in more.items() if value}
    return list({**given, **named}.items())


class ManualTimers:
    """`Timers` whose time is set by hand."""

    def __init__(self) -> None:
        self._now = 0.0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, ManualTimer]] = []

    def time(self) -> float:
        return self._now

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any) -> "ManualTimer":
        timer = ManualTimer(callback, args)
        heapq.heappush(self._timers, (self._now + delay, next(self._order), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Lets so much time pass, and calls what is due."""
        self._now += seconds
        while self._timers and self._timers[0][0] <= self._now:
            heapq.heappop(self._timers)[2].fire()


class ManualTimer:
    """One of them."""

    def __init__(self, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._call: tuple[Callable[..., Any], tuple[Any, ...]] | None = (callback, args)

    def cancel(self) -> None:
        """It will not fire."""
        self._call = None

    def fire(self) -> None:
        """Its time has come."""
        if self._call is not None:
            callback, args = self._call
            callback(*args)


class Job:
    """A coroutine that runs when it is told to."""

    def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._coroutine = coroutine
        self.done = False

    def run(self) -> None:
        """Runs on to where it waits next, or to its end."""
        self._go(lambda: self._coroutine.send(None))

    def cancel(self) -> None:
        """Ends it as a task is ended."""
        self._go(lambda: self._coroutine.throw(asyncio.CancelledError))

    def _go(self, step: Callable[[], object]) -> None:
        if self.done:
            return
        try:
            step()
        except (StopIteration, asyncio.CancelledError):
            self.done = True


class _Counted:
    """A handler around another one; counts what opens and what leaves."""

    def __init__(self, handler: Handler, ended: Counter[int]) -> None:
        self.method = handler.method
        self.metrics = handler.metrics
        self._handler = handler
        self._ended = ended

    def opened(self, stream: Stream) -> None:
        self._handler.opened(stream)

    def received(self, stream: Stream, receiving: Receiving) -> None:
        self._handler.received(stream, receiving)

    def half_closed(self, stream: Stream, receiving: Receiving) -> None:
        self._handler.half_closed(stream, receiving)

    def left(self, stream: Stream) -> None:
        self._ended[stream.id] += 1
        self._handler.left(stream)


class _Client(H2Connection):
    """Lives on after a GOAWAY."""

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[Event]]:
        event = ConnectionTerminated()
        event.error_code = frame.error_code
        return [], [event]


class Dialogue:
    """A session and its client. `events` are what the client's library has heard; it refuses what
    breaks the rules. `ended` counts how often each stream ended."""

    def __init__(
        self, options: ServerOptions | None = None, *, allowance: Allowance | None = None
    ) -> None:
        self.timers = ManualTimers()
        self.released = False
        self.world = World()
        self.world._certify["wait"] = self._wait  # its own needs an event loop
        self.held = Holdings(1 << 30)
        self.registry = CollectorRegistry()
        self.ended: Counter[int] = Counter()
        self.events: list[Event] = []
        self.jobs: list[Job] = []
        options = options or ServerOptions()
        self.calls = OpenCalls(options, RpcMetrics.of(self.registry))
        self.session = Session(
            self._routes(),
            options,
            "ipv4:10.0.0.1:1",
            allowance=allowance
            or Budgets(0.0).admit("127.0.0.1", "127.0.0.1", 0.0)
            or _unreachable(),
            held=self.held,
            metrics=ConnectionMetrics.of(self.registry),
            timers=self.timers,
            touch=lambda: None,
        )
        self.client = _Client(H2Configuration(header_encoding="utf-8"))
        self.client.initiate_connection()

    def _routes(self) -> dict[bytes, Handler]:
        methods = paths(self.world.tables())
        routes = served(methods, RpcMetrics.of(self.registry), self.calls, self._spawn)
        return {path: _Counted(handler, self.ended) for path, handler in routes.items()}

    async def _wait(self) -> None:
        while not self.released:
            await _pause()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> Job:
        job = Job(coroutine)
        self.jobs.append(job)
        return job

    @property
    def streams(self) -> list[Stream]:
        """Those that are open."""
        return list(self.session._streams.values())  # a test's view

    def deliver(self) -> None:
        """Hands over what the client has to say."""
        self.session.receive(self.client.data_to_send())

    def turn(self, *, frames: int | None = None, room: int = 1 << 30, heard: bool = True) -> bytes:
        """Works off so many frames, or all; runs what has begun; gives what is sent. Unless the
        client's library is left out, that is `heard`."""
        if frames is None:
            self.session.step(FOREVER, 1 << 30)
        else:
            for _ in range(frames):
                self.session.step(-FOREVER, 1 << 30)
        jobs, self.jobs = self.jobs, []
        for job in jobs:
            job.run()
        self.jobs += [job for job in jobs if not job.done]
        said = b"".join(self.session.send(room, FOREVER))
        if self.session.over:
            self.session.leave(FOREVER)
        if heard:
            self.events += self.client.receive_data(said)
        return said

    def settle(self) -> None:
        """Turns until neither side has anything to say."""
        for _ in range(100):
            self.deliver()
            if not self.turn() and not self.client._data_to_send:  # no other way
                return
        raise AssertionError("they talk without end")


@types.coroutine
def _pause() -> Generator[None, None, None]:
    """Waits until the job runs again."""
    yield


def _unreachable() -> Allowance:
    raise AssertionError("a connection of this host was turned away")
