"""Which messages that exceed their stream's window are under way on a connection.

When many streams begin at once, each with a message of many windows, to send a window's worth of
every one of them first has all complete at the end and none before: clients hold buffers for all,
and begin to decode when they could be done. So only a few are under way at a time, and the next
begins when one is through. Readers that stall must not hold up others, so when nothing got through
for a while, all that wait begin, and what is under way counts no more.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from linkerd.rpc.h2.sending import Sending
from linkerd.rpc.h2.timers import Cancellable, Timers

_AT_ONCE: Final = 8
_PATIENCE: Final = 0.1  # seconds


class LargeMessages:
    """Of one connection. `go_on` queues a stream whose message may begin."""

    def __init__(self, timers: Timers, go_on: Callable[[Sending], None]) -> None:
        self._timers = timers
        self._go_on: Callable[[Sending], None] | None = go_on
        self._under_way: set[Sending] = set()
        self._waiting: deque[Sending] = deque()
        self._timer: Cancellable | None = None

    def may_begin(self, sending: Sending) -> bool:
        """Whether its message may begin now; else it waits, until `go_on`."""
        if len(self._under_way) < _AT_ONCE:
            self._under_way.add(sending)
            return True
        self._waiting.append(sending)
        if self._timer is None:
            self._timer = self._timers.call_later(_PATIENCE, self._lose_patience)
        return False

    def through(self, sending: Sending) -> None:
        """A message is sent, or never will be."""
        if sending not in self._under_way:
            return
        self._under_way.discard(sending)
        while self._waiting and len(self._under_way) < _AT_ONCE:
            waiting = self._waiting.popleft()
            if self._release(waiting):
                self._under_way.add(waiting)
        self._quiet()
        if self._waiting:
            self._timer = self._timers.call_later(_PATIENCE, self._lose_patience)

    def close(self) -> None:
        """Nothing is sent any more."""
        self._go_on = None
        self._waiting.clear()
        self._under_way.clear()
        self._quiet()

    def _release(self, sending: Sending) -> bool:
        """Lets a message begin, unless its stream is gone."""
        if sending.stream is None or self._go_on is None:
            return False
        self._go_on(sending)
        return True

    def _lose_patience(self) -> None:
        self._timer = None
        self._under_way.clear()
        waiting, self._waiting = self._waiting, deque()
        for sending in reversed(waiting):  # each goes to the front
            self._release(sending)

    def _quiet(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
