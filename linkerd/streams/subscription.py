"""What a watching method returns and an engine serves: a thing to poll.

The engine owns the loop. It polls until `poll` returns None, then rests until woken, and polls
again. A wake is promised only after a poll returned None, and at most once until the next poll; it
may come for nothing (the next poll then returns None again). The engine closes the subscription
exactly once, whatever ended the stream; closing twice is harmless.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import grpc


class StreamEnd(Exception):  # noqa: N818  # a clean end is no error
    """Raised by `poll` when there is no more to say: the status that the stream ends with.

    `code` OK is a clean end. `message` goes to the client, so it is a short sentence for it.
    """

    def __init__(self, code: grpc.StatusCode, message: str = "") -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}" if self.message else self.code.name


@runtime_checkable
class Subscription(Protocol):
    """One reader's view of something that changes."""

    def poll(self) -> bytes | None:
        """The next encoded message that this reader lacks, or None when it is in step.

        Raises StreamEnd when there will be no more, and at every later poll another one: raising
        one and the same again would chain it to the frames of every poll before.
        """

    def on_wake(self, wake: Callable[[], None]) -> None:
        """Sets what to call when there is something to poll again. `wake` is quick, does not
        raise, and may poll or close from inside."""

    def close(self) -> None:
        """Lets go of everything; no wake comes afterwards."""


def drain(subscription: Subscription) -> list[bytes]:
    """Polls until the reader is in step; what it lacked, in order."""
    return list(iter(subscription.poll, None))
