"""Whose turn it is: connections with something to do share the event loop.

A turn of the loop gives connections a slice of time each, in rotation, and ends after a few
milliseconds, so that everything else in the process (calls that have begun, the admin server, other
connections' reads) has its turn too. Those that were through with their last slice go before those
that use up theirs, so who asks little waits for nobody who asks much. Who is slowed gets a slice
now and then.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from linkerd.rpc.h2.timers import Cancellable

_TURN: Final = 0.004  # seconds
_SLICE: Final = 0.002  # seconds, at least
_CALLS: Final = 32  # that may begin in a turn; what they do comes on top of its time
_SLICE_CALLS: Final = 16
_SLOW_EVERY: Final = 0.01  # seconds from one slice of those that are slowed to the next


class LoopTimers:
    """`Timers` of an event loop. uvloop's own time stands still within a turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def time(self) -> float:
        """As `Timers.time`."""
        return time.monotonic()

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any) -> Cancellable:
        """As `Timers.call_later`."""
        return self._loop.call_later(delay, callback, *args)


class Member(Protocol):
    """A connection. `waiting`, the scheduler's: it is in line."""

    waiting: bool

    def turn(self, until: float, calls: int) -> int:
        """Works until it is `until` or so many calls have begun; how many have."""

    @property
    def busy(self) -> bool:
        """Whether there is more to do."""

    @property
    def slowed(self) -> bool:
        """Whether it gets little time."""


class Turns:
    """Of one server."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._light: deque[Member] = deque()
        self._heavy: deque[Member] = deque()
        self._slow: deque[Member] = deque()
        self._coming = False
        self._timer: Cancellable | None = None

    def add(self, member: Member) -> None:
        """It has something to do."""
        if not member.waiting:
            member.waiting = True
            self._enqueue(member, self._light)

    def _enqueue(self, member: Member, line: "deque[Member]") -> None:
        if member.slowed:
            self._slow.append(member)
            if self._timer is None:
                self._timer = self._loop.call_later(_SLOW_EVERY, self._run_slow)
        else:
            line.append(member)
            self._come()

    def _come(self) -> None:
        """There will be a turn."""
        if not self._coming:
            self._coming = True
            self._loop.call_soon(self._run)

    def _run(self) -> None:
        self._coming = False
        until = time.monotonic() + _TURN
        calls = self._serve(self._light, until, _CALLS)
        if self._heavy:
            calls -= self._serve_one(self._heavy, calls)
            self._serve(self._heavy, until, calls)
        if self._light or self._heavy:
            self._come()

    def _serve(self, line: "deque[Member]", until: float, calls: int) -> int:
        """Serves who is in line, while there is time; how many calls may still begin."""
        while line and calls > 0 and time.monotonic() < until:
            calls -= self._serve_one(line, calls)
        return calls

    def _serve_one(self, line: "deque[Member]", calls: int) -> int:
        share = _TURN / (len(self._light) + len(self._heavy) + len(self._slow))
        member = line.popleft()
        until = time.monotonic() + max(_SLICE, share)
        begun = member.turn(until, max(1, min(calls, _SLICE_CALLS)))
        if member.busy:
            self._enqueue(member, self._heavy)
        else:
            member.waiting = False
        return begun

    def _run_slow(self) -> None:
        self._timer = None
        self._serve_one(self._slow, _SLICE_CALLS)
        if self._slow and self._timer is None:
            self._timer = self._loop.call_later(_SLOW_EVERY, self._run_slow)
