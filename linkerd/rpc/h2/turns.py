"""Whose turn it is: connections with something to do share the event loop.

A turn of the loop gives connections a slice of time each, in rotation, and ends after a few
milliseconds, so that everything else in the process (calls that have begun, the admin server, other
connections' reads) has its turn too. Those that were through with their last slice go before those
that use up theirs, so who asks little waits for nobody who asks much. What a slowed connection has
to say goes out like any other's, since it may be a sidecar's with many clients; but what it sends
is read only now and then.
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
_SLOW_EVERY: Final = 0.01  # seconds from one turn of those that are slowed to the next
_SLOW_SLICE: Final = 0.0005  # seconds of it, at least, for each


class LoopTimers:
    """`Timers` of an event loop. uvloop's own time stands still within a turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def time(self) -> float:
        return time.monotonic()

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any) -> Cancellable:
        return self._loop.call_later(delay, callback, *args)


class Member(Protocol):
    """A connection. The scheduler's: `waiting`, it is in line; `delayed`, it is to be read soon.

    As its latest turn left it: `unread`, there is more to read; `unsent`, there is more to send, or
    to let go of; `slowed`, it is read only now and then.
    """

    waiting: bool
    delayed: bool
    unread: bool
    unsent: bool
    slowed: bool

    def turn(self, until: float, calls: int) -> int:
        """Works until it is `until` or so many calls have begun; how many have. With 0 nothing is
        read."""


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
            self._light.append(member)
            if not self._coming:
                self._come()

    def _come(self) -> None:
        self._coming = True
        self._loop.call_soon(self._run)

    def _run(self) -> None:
        self._coming = False
        until = time.monotonic() + _TURN
        calls = self._serve(self._light, until, _CALLS)
        if self._heavy:
            calls -= self._serve_one(self._heavy, time.monotonic(), calls)
            self._serve(self._heavy, until, calls)
        if (self._light or self._heavy) and not self._coming:
            self._come()

    def _serve(self, line: "deque[Member]", until: float, calls: int) -> int:
        """Serves who is in line, while there is time; how many calls may still begin."""
        while line and calls > 0 and (now := time.monotonic()) < until:
            calls -= self._serve_one(line, now, calls)
        return calls

    def _serve_one(self, line: "deque[Member]", now: float, calls: int) -> int:
        share = _TURN / (len(self._light) + len(self._heavy))
        member = line.popleft()
        member.waiting = False
        if member.slowed:
            calls = 0
        elif calls > _SLICE_CALLS:
            calls = _SLICE_CALLS
        elif calls < 1:
            calls = 1
        begun = member.turn(now + (max(_SLICE, share)), calls)
        if member.unsent or member.unread:
            self._requeue(member)
        return begun

    def _requeue(self, member: Member) -> None:
        """Puts it where it has its next turn, if it has more to do."""
        slowed = member.slowed
        if (member.unsent or (member.unread and not slowed)) and not member.waiting:
            member.waiting = True
            self._heavy.append(member)
            if not self._coming:
                self._come()
        if slowed and member.unread and not member.delayed:
            member.delayed = True
            self._slow.append(member)
            if self._timer is None:
                self._timer = self._loop.call_later(_SLOW_EVERY, self._run_slow)

    def _run_slow(self) -> None:
        """Reads from those that are slowed, each at most once."""
        waiting, self._slow = self._slow, deque()
        until = time.monotonic() + _TURN
        share = max(_SLOW_SLICE, _TURN / len(waiting))
        while waiting and (now := time.monotonic()) < until:
            member = waiting.popleft()
            member.delayed = False
            member.turn(now + share, _SLICE_CALLS)
            self._requeue(member)
        self._slow.extendleft(reversed(waiting))
        self._timer = None
        if self._slow:
            self._timer = self._loop.call_later(_SLOW_EVERY, self._run_slow)
