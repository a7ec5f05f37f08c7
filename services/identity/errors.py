"""What can go wrong when a workload asks for a certificate, and when an issuer is loaded.

    IdentityError
      CallError                   a call ends; its text goes to the client and never holds the token
        InvalidRequestError          a field is missing, malformed or its token invalid
        RefusedError                 well-formed, but not to be granted
        UnsignableKeyError           the workload's key is of a kind that the mesh does not use
        IssuerNotReadyError          no issuer is loaded yet
        IssuerUntrustedError         the issuer no longer verifies against the trust anchors
        ReviewUnavailableError       the API server cannot be asked now; trying again helps
        ReviewRefusedError           the API server answered that we may not ask
    CredentialsError            trust anchors or issuer cannot be used; names the file and the fix

The server gives each CallError its gRPC status.
"""

from pathlib import Path
from typing import Final

from linkerd.runtime.errors import StartError

_MAX_SHOWN: Final = 300


class IdentityError(Exception):
    """Root of this service's errors."""


class CallError(IdentityError):
    """Ends a call."""


class InvalidRequestError(CallError):
    """A field of the request is missing, malformed, or its token is invalid."""


class RefusedError(CallError):
    """The request is well-formed, but what it asks for is not granted."""


class UnsignableKeyError(CallError):
    """The public key cannot be certified."""


class IssuerNotReadyError(CallError):
    """No issuer is loaded yet."""


class IssuerUntrustedError(CallError):
    """The issuer does not verify against the trust anchors at this time."""


class ReviewUnavailableError(CallError):
    """The API server could not be asked about the token. One that is `overloaded` did answer, and
    may want to be left alone for `retry_after` seconds; one that is `silent` took the question and
    did not answer in time."""

    def __init__(
        self,
        message: str,
        *,
        overloaded: bool = False,
        silent: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.silent = silent
        self.overloaded = overloaded
        self.retry_after = retry_after


class ReviewRefusedError(CallError):
    """The API server does not let this service review tokens."""


class CredentialsError(StartError):
    """A file with trust anchors or the issuer cannot be used."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


def shown(text: str) -> str:
    """`text` from outside, quoted and cut, fit for a message."""
    return repr(text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}...")
