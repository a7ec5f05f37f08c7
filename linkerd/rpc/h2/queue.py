"""Which messages that exceed their stream's window are under way on a connection.

When many streams begin at once, each with a message of many windows, to send a window's worth of
every one of them first has all complete at the end and none before: clients hold buffers for all,
and begin to decode when they could be done. So only a few are under way at a time, and the next
begins when one is through. Readers that stall must not hold up others, so when nothing got through
for a while, all that wait begin, and what is under way counts no more.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from linkerd.rpc.h2.streams import Stream

_AT_ONCE: Final = 8
_PATIENCE: Final = 0.1  # seconds


class LargeMessages:
    """Of one connection. `go_on` queues a stream whose message may begin."""

    def __init__(self, loop: asyncio.AbstractEventLoop, go_on: Callable[[Stream], None]) -> None:
        self._loop = loop
        self._go_on = go_on
        self._under_way: set[Stream] = set()
        self._waiting: deque[Stream] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def may_begin(self, stream: Stream) -> bool:
        """Whether its message may begin now; else it waits, until `go_on`."""
        if len(self._under_way) < _AT_ONCE:
            self._under_way.add(stream)
            return True
        self._waiting.append(stream)
        if self._timer is None:
            self._timer = self._loop.call_later(_PATIENCE, self._lose_patience)
        return False

    def through(self, stream: Stream) -> None:
        """A message is sent, or never will be."""
        if stream not in self._under_way:
            return
        self._under_way.discard(stream)
        while self._waiting and len(self._under_way) < _AT_ONCE:
            self._release(self._waiting.popleft())
        self._quiet()
        if self._waiting:
            self._timer = self._loop.call_later(_PATIENCE, self._lose_patience)

    def close(self) -> None:
        """Nothing is sent any more."""
        self._waiting.clear()
        self._under_way.clear()
        self._quiet()

    def _release(self, stream: Stream) -> None:
        if not stream.gone:
            self._under_way.add(stream)
            self._go_on(stream)

    def _lose_patience(self) -> None:
        self._timer = None
        self._under_way.clear()
        waiting, self._waiting = self._waiting, deque()
        for stream in reversed(waiting):  # each goes to the front
            if not stream.gone:
                self._go_on(stream)

    def _quiet(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
