"""Events, each of which counts for itself, and those who follow them.

A `Topic` has a state, and skipping versions loses nothing. Events have none: a reader that is too
slow misses some, and what can be promised is that it costs nobody else anything. All readers share
one log of encoded messages, bounded in number and in bytes; each has a position in it. When the log
is full the oldest event goes, and who has not read it has missed it: it is counted, and told at
that place where the protocol has a message for it. (The proxies' tap has none, and loses events
silently. It drops the newest, having a queue for each reader; of one log the oldest must go, or one
reader that stalls would keep the news from all.)

Invariants, held by the property tests:
- a reader is told every event since it subscribed, in order, except those that it is said to miss;
- what is held is at most `max_events` and `max_bytes`, whatever the number of readers, and nothing
  once all have read everything; without readers nothing is encoded;
- publishing costs O(readers in step), never O(readers), and encodes once;
- after the end a reader is first told what is left for it.

One event loop thread publishes and polls, as with topics.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

import grpc

from linkerd.streams.subscription import StreamEnd

# ruff: noqa: SLF001  # a feed and its readers are one mechanism in two classes

E = TypeVar("E")


class Feed(Generic[E]):
    """Events with their readers.

    `encode` makes the message of an event; one larger than `max_bytes` is missed by all. `lost(n)`
    makes the message that tells a reader that it missed `n` events. `dropped(n)` counts them, when
    a reader finds out or leaves. `on_empty` is called whenever the last reader has left.
    """

    __slots__ = (
        "_dropped",
        "_encode",
        "_end",
        "_first",
        "_in_step",
        "_log",
        "_lost",
        "_next",
        "_on_empty",
        "held_bytes",
        "max_bytes",
        "max_events",
        "subscribers",
    )

    def __init__(
        self,
        encode: Callable[[E], bytes],
        *,
        max_events: int,
        max_bytes: int,
        lost: Callable[[int], bytes] | None = None,
        dropped: Callable[[int], object] | None = None,
        on_empty: Callable[[], None] | None = None,
    ) -> None:
        self.max_events = max_events
        self.max_bytes = max_bytes
        self.subscribers = 0
        self.held_bytes = 0
        self._encode = encode
        self._lost = lost
        self._dropped = dropped
        self._on_empty = on_empty
        self._end: tuple[grpc.StatusCode, str] | None = None
        self._log: dict[int, bytes] = {}  # by number; one that was too large is not there
        self._first = self._next = 0  # numbers of the oldest event held, and of the one to come
        self._in_step: dict[Reader[E], None] = {}

    @property
    def held_events(self) -> int:
        """How many events some reader may still have to read."""
        return self._next - self._first

    def publish(self, event: E) -> None:
        """Tells all readers, who are behind or in step. After `end` it tells nobody."""
        if not self.subscribers or self._end is not None:
            return
        message = self._encode(event)
        if len(message) <= self.max_bytes:
            self._log[self._next] = message
            self.held_bytes += len(message)
        self._next += 1
        while self.held_events > self.max_events or self.held_bytes > self.max_bytes:
            self.held_bytes -= len(self._log.pop(self._first, b""))
            self._first += 1
        self._wake()

    def end(self, end: StreamEnd) -> None:
        """Ends every stream on this feed, present and future, with the status of `end`, once its
        reader has been told what is left for it."""
        self._end = (end.code, end.message)
        self._wake()

    def subscribe(self) -> "Reader[E]":
        """A new reader, which is told what comes from now on."""
        self.subscribers += 1
        return Reader(self)

    def _wake(self) -> None:
        resting, self._in_step = self._in_step, {}
        for reader in resting:
            reader._rouse()

    def _rest(self, reader: "Reader[E]") -> None:
        self._in_step[reader] = None
        self._forget()

    def _leave(self, reader: "Reader[E]") -> None:
        self._in_step.pop(reader, None)
        self.subscribers -= 1
        self._forget()
        if self.subscribers == 0 and self._on_empty is not None:
            self._on_empty()

    def _forget(self) -> None:
        """Lets go of everything once nobody has anything left to read."""
        if self._log and len(self._in_step) == self.subscribers:
            self._log.clear()
            self.held_bytes = 0
            self._first = self._next

    def _count(self, events: int) -> None:
        if events and self._dropped is not None:
            self._dropped(events)


class Reader(Generic[E]):
    """One reader of a feed: the number of the event that it is told next. A `Subscription`."""

    __slots__ = ("_feed", "_missed", "_next", "_resting", "_wake")

    def __init__(self, feed: Feed[E]) -> None:
        self._feed: Feed[E] | None = feed
        self._next = feed._next
        self._missed = 0  # events that it has not been told that it missed
        self._wake: Callable[[], None] | None = None
        self._resting = False

    def poll(self) -> bytes | None:
        """The next event, or how many were missed before it; None when there is none, or after
        close. Raises StreamEnd after the last one."""
        feed = self._feed
        if feed is None:
            return None
        self._resting = False
        self._skip(feed)
        if self._missed and feed._lost is not None:
            missed, self._missed = self._missed, 0
            return feed._lost(missed)
        if self._next < feed._next:
            message = feed._log[self._next]
            self._next += 1
            return message
        if feed._end is not None:
            raise StreamEnd(*feed._end)
        self._resting = True
        feed._rest(self)
        return None

    def on_wake(self, wake: Callable[[], None]) -> None:
        """Sets what to call when there is an event again."""
        self._wake = wake

    def close(self) -> None:
        """Leaves; what it has missed without knowing is counted."""
        feed = self._feed
        if feed is None:
            return
        self._skip(feed)
        self._feed = self._wake = None
        feed._leave(self)

    def _skip(self, feed: Feed[E]) -> None:
        """Goes to the next event that is held, past those that are missed."""
        number = max(self._next, feed._first)
        while number < feed._next and number not in feed._log:
            number += 1
        missed, self._next = number - self._next, number
        self._missed += missed
        feed._count(missed)

    def _rouse(self) -> None:
        if self._resting:
            self._resting = False
            if self._wake is not None:
                self._wake()
