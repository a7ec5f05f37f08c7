"""What can go wrong with a call, by what its caller can do about it.

    CallError                code, message
      StatusError                the server ended it with a status: it says what to do
      DeadlineError              it took too long, by our clock or the server's
      UnreachableError           there is no connection, or no longer: trying again may help
        PeerIdentityError          somebody else answers there, or nobody whom the mesh trusts
      TooManyConnectionsError    our own limit: end other calls first

`code` is the status that gRPC has for each.
"""

from typing import Self

import grpc


class CallError(Exception):
    """A call has failed."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def anew(self) -> Self:
        """The same, to be raised: an error holds the frames that it has passed, so one that is kept
        is never raised itself."""
        again = type(self).__new__(type(self), *self.args)
        again.__dict__.update(self.__dict__)
        return again

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}" if self.message else self.code.name


class StatusError(CallError):
    """The server's status, or what its breach of the protocol amounts to."""


class DeadlineError(CallError):
    """The call took too long."""

    def __init__(self, message: str) -> None:
        super().__init__(grpc.StatusCode.DEADLINE_EXCEEDED, message)


class UnreachableError(CallError):
    """No connection."""

    def __init__(self, message: str) -> None:
        super().__init__(grpc.StatusCode.UNAVAILABLE, message)


class PeerIdentityError(UnreachableError):
    """Whoever listens there is not whom we look for, as far as the mesh can tell."""


class TooManyConnectionsError(CallError):
    """As many connections are open as may be."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            f"connections: {limit} have calls in progress, which is the limit: end some",
        )
