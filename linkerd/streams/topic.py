"""A state that changes, and the cursors of those who follow it.

The owner (an index) publishes immutable states from one event loop thread. A cursor remembers the
state it last told its reader and asks for the difference when it is polled, so a slow reader skips
versions, holds no queue and costs the same as a fast one.

Invariants, held by the property tests:
- what a reader accumulates by applying its messages equals the topic's state when it is in step;
- a cursor in step has one wake coming at most, and none while it has unread messages;
- `delta` runs once for each pair (version left, current version), so readers in step share one
  computation and the same bytes; deltas to older versions are dropped at the next publish, so the
  memory of a topic is bounded by how many different versions its readers are at;
- a delta of several messages, once begun, is told to its end before a newer state is looked at;
- publishing costs O(cursors in step), never O(cursors).
"""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar, cast

import grpc

from linkerd.streams.messages import Messages, Told
from linkerd.streams.subscription import StreamEnd

# ruff: noqa: SLF001  # a topic and its cursors are one mechanism in two classes

S = TypeVar("S")

_UNKNOWN = 0  # the version of a topic, or of a reader, that has no state yet


class Topic(Generic[S]):
    """A versioned state with its readers.

    `delta(last, current)` gives the encoded messages (none, one or several) that take a reader from
    `last` (None: it has nothing yet) to `current`. It must be pure. `on_empty` is called whenever
    the last reader has left, so that the owner may drop the topic.
    """

    __slots__ = (
        "_deltas",
        "_end",
        "_in_step",
        "_on_empty",
        "delta",
        "state",
        "subscribers",
        "version",
    )

    def __init__(
        self,
        delta: Callable[[S | None, S], Told],
        state: S | None = None,
        *,
        on_empty: Callable[[], None] | None = None,
    ) -> None:
        self.delta = delta
        self.state = state
        self.version = _UNKNOWN if state is None else _UNKNOWN + 1
        self.subscribers = 0
        self._on_empty = on_empty
        self._end: tuple[grpc.StatusCode, str] | None = None
        self._deltas: dict[int, Told] = {}
        self._in_step: dict[Cursor[S], None] = {}

    def publish(self, state: S) -> None:
        """Makes `state` the current one and wakes the readers that were in step. A state equal to
        the current one changes nothing."""
        if self.state is not None and (state is self.state or state == self.state):
            return
        self.state = state
        self.version += 1
        self._deltas.clear()
        self._wake()

    def end(self, end: StreamEnd) -> None:
        """Ends every stream on this topic, present and future, at its next poll, with the status
        that `end` has."""
        # Not `end` itself: an exception collects the frames that it has passed, at each raise.
        self._end = (end.code, end.message)
        self._wake()

    @property
    def in_step(self) -> int:
        """How many readers have read everything and wait for more; the others are behind."""
        return len(self._in_step)

    def subscribe(self) -> "Cursor[S]":
        """A new reader, which lacks everything; nothing is sent before there is a state."""
        self.subscribers += 1
        return Cursor(self)

    def _wake(self) -> None:
        resting, self._in_step = self._in_step, {}
        for cursor in resting:
            cursor._rouse()

    def _from(self, version: int, state: S | None, current: S) -> Told:
        messages = self._deltas[version] = self.delta(state, current)
        return messages

    def _leave(self, cursor: "Cursor[S]") -> None:
        self._in_step.pop(cursor, None)
        self.subscribers -= 1
        if self.subscribers == 0 and self._on_empty is not None:
            self._on_empty()


class Cursor(Generic[S]):
    """One reader of a topic: the state that it was told last. A `Subscription`."""

    __slots__ = ("_pending", "_resting", "_state", "_topic", "_version", "_wake")

    def __init__(self, topic: Topic[S]) -> None:
        self._topic: Topic[S] | None = topic
        self._state: S | None = None
        self._version = _UNKNOWN
        self._pending: Iterator[bytes] | None = None
        self._wake: Callable[[], None] | None = None
        self._resting = False

    def poll(self) -> bytes | None:
        """What the reader lacks; None when it is in step, and after close."""
        topic = self._topic
        if topic is None:
            return None
        self._resting = False
        if topic._end is not None:
            raise StreamEnd(*topic._end)
        while True:
            if self._pending is not None:
                message = next(self._pending, None)
                if message is not None:
                    return message
                self._pending = None
            if self._version == topic.version:
                self._resting = True
                topic._in_step[self] = None
                return None
            messages = self._advance(topic)
            if (
                not isinstance(messages, Messages) and len(messages) == 1
            ):  # most often, and thousands at once
                return messages[0]
            self._pending = iter(messages)

    def on_wake(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def close(self) -> None:
        topic, self._topic = self._topic, None
        if topic is None:
            return
        self._state = self._pending = self._wake = None
        topic._leave(self)

    def _advance(self, topic: Topic[S]) -> Told:
        """Goes on to the current state; what that takes."""
        current = cast("S", topic.state)  # a version above ours means that there is a state
        messages = topic._deltas.get(self._version)
        if messages is None:
            messages = topic._from(self._version, self._state, current)
        self._state = current
        self._version = topic.version
        return messages

    def _rouse(self) -> None:
        if self._resting:
            self._resting = False
            if self._wake is not None:
                self._wake()
