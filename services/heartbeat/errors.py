"""What can go wrong in a heartbeat. Only NotSentError fails the job; the rest leaves a value out.

Nothing of aiohttp or msgspec crosses this seam.
"""


class HeartbeatError(Exception):
    """Root of the tree; the message is one sentence for the log."""


class UnreachableError(HeartbeatError):
    """Nobody answers at that address, so further questions to it are in vain."""


class FetchError(HeartbeatError):
    """An answer came too late, broke off or is too large."""


class NoValueError(HeartbeatError):
    """Prometheus answered, and the answer is not one number."""


class NotSentError(HeartbeatError):
    """The endpoint did not take the heartbeat."""
