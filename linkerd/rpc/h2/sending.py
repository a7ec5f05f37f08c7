"""What is to be sent on one stream."""

from typing import Protocol

from h2.errors import ErrorCodes
from h2.stream import H2Stream

from linkerd.rpc.h2.streams import Stream


class Sender(Protocol):
    """Where streams put themselves when they have something to say; `Outbox`."""

    def ready(self, sending: "Sending") -> None:
        """Look at it soon."""

    def end(self, sending: "Sending") -> None:
        """Its status is decided, and no message is partly sent."""

    def reset(self, sending: "Sending", code: ErrorCodes) -> None:
        """Ends it without a status."""


class Sending:
    """Of one stream; `Outbox` owns its fields. `wire` is the library's half of the stream.

    `lead` and `rest` are what is unsent of the message at hand: of its prefix, and of the bytes
    that it may share with other streams. `stream` is None once it is off the connection.
    """

    __slots__ = (
        "answered",
        "blocked",
        "ended",
        "id",
        "lead",
        "queued",
        "rest",
        "sender",
        "stream",
        "wire",
    )

    def __init__(self, wire: H2Stream, stream: Stream, sender: Sender) -> None:
        self.id: int = wire.stream_id
        self.wire = wire
        self.stream: Stream | None = stream
        self.sender = sender
        self.lead = b""
        self.rest: memoryview | None = None
        self.answered = False  # response headers are sent
        self.queued = False  # it is among those to look at
        self.blocked = False  # its peer must make room first
        self.ended = False  # its status is decided

    @property
    def partial(self) -> bool:
        return self.rest is not None

    def wake(self) -> None:
        if not self.queued:
            self.queued = True
            self.sender.ready(self)

    def put(self, prefix: bytes, message: bytes) -> None:
        self.lead, self.rest = prefix, memoryview(message)

    def end(self) -> None:
        self.ended = True
        if self.rest is None:
            self.sender.end(self)
        else:
            self.wake()

    def reset(self, code: ErrorCodes) -> None:
        self.sender.reset(self, code)

    def close(self) -> None:
        """It is off the connection."""
        self.stream = None
        self.lead, self.rest = b"", None
