# ruff: noqa: N818  # leaves are named by what happened, as in httpx
"""What can go wrong between us and an API server.

    KubeError
    ├── ConfigError          no usable kubeconfig or service account; nothing was sent
    ├── Unreachable          no answer: refused, reset, timed out, TLS failed, stream broke off
    ├── ProtocolError        an answer that is not the Kubernetes API's
    │   └── TooLarge         an answer without end, or larger than we read
    └── ApiError             the server said no (HTTP status from 400 up, or a watch's ERROR event)
        ├── Unauthorized     401: credentials were reloaded once and still do not do
        ├── Forbidden        403: RBAC
        ├── NotFound         404: no such object, or no such resource (a CRD that is not installed)
        ├── Conflict         409: exists already, or the resource version is not the last
        ├── Gone             410: the resource version or continue token is too old
        ├── TooManyRequests  429: wait `retry_after` seconds
        └── ServerError      500 and above

Nothing of aiohttp, ssl or kubernetes_asyncio crosses this seam.
"""

from typing import ClassVar, Final

import msgspec


class KubeError(Exception):
    """Root of the tree. `reason` is a short word for metrics and logs."""

    reason: str = "Unknown"

    @property
    def label(self) -> str:
        """The reason, one of a few."""
        return self.reason


class ConfigError(KubeError):
    """There is no usable configuration; the message names the file and what to do."""

    reason = "Config"


class Unreachable(KubeError):
    """The server gave no (complete) answer; trying again later is right."""

    reason = "Unreachable"


class ProtocolError(KubeError):
    """The peer answered with something that no API server says."""

    reason = "Protocol"


class TooLarge(ProtocolError):
    """An answer, or a line of one, beyond what we read of this server."""

    reason = "TooLarge"


class ApiError(KubeError):
    """The server refused. Use `ApiError.of` to get the class that fits the status."""

    statuses: ClassVar[range] = range(0)

    def __init__(
        self, status: int, reason: str, message: str, retry_after: float | None = None
    ) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after  # seconds that the server asks us to wait

    @property
    def label(self) -> str:
        """The reason if it is one of Kubernetes' own, else the name of the class."""
        return self.reason if self.reason in _REASONS else type(self).__name__

    @staticmethod
    def of(status: int, reason: str, message: str, retry_after: float | None = None) -> "ApiError":
        """An error of the most specific class for this HTTP status."""
        kinds = (kind for kind in _BY_STATUS if status in kind.statuses)
        return next(kinds, ApiError)(status, reason, message, retry_after)

    @staticmethod
    def parse(status: int, body: bytes, retry_after: float | None = None) -> "ApiError":
        """An error from an HTTP answer or a watch ERROR event whose body should be a Status."""
        try:
            said = _STATUS.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            said = _Status(message=body[:200].decode(errors="replace"))
        if retry_after is None and said.details and said.details.retry_after_seconds > 0:
            retry_after = float(said.details.retry_after_seconds)
        if said.code in _REFUSALS:
            status = said.code
        reason = said.reason[:_MAX_REASON] or "Unknown"
        return ApiError.of(status, reason, said.message[:_MAX_MESSAGE], retry_after)


class Unauthorized(ApiError):
    """401: the server does not accept our credentials."""

    statuses = range(401, 402)


class Forbidden(ApiError):
    """403: RBAC, or admission, does not allow it."""

    statuses = range(403, 404)


GONE: Final = "NotFound"
"""The reason of a NotFound that is about an object; without it there is no such resource."""


class NotFound(ApiError):
    """404: neither the object nor, perhaps, its resource exists."""

    statuses = range(404, 405)


class Conflict(ApiError):
    """409: it exists already, or somebody else wrote first."""

    statuses = range(409, 410)


class Gone(ApiError):
    """410: this resource version or continue token is compacted away; list again."""

    statuses = range(410, 411)


class TooManyRequests(ApiError):
    """429: wait `retry_after` seconds before the next request."""

    statuses = range(429, 430)


class ServerError(ApiError):
    """500 and above: the server, or what it stands on, is in trouble."""

    statuses = range(500, 600)


_BY_STATUS: Final = (
    Unauthorized,
    Forbidden,
    NotFound,
    Conflict,
    Gone,
    TooManyRequests,
    ServerError,
)


_REFUSALS: Final = range(400, 600)
_MAX_REASON: Final = 64  # characters of what a server says that go into logs
_MAX_MESSAGE: Final = 1024
_REASONS: Final = frozenset(
    {
        "AlreadyExists",
        "BadRequest",
        "Conflict",
        "Expired",
        "Forbidden",
        "Gone",
        "InternalError",
        "Invalid",
        "MethodNotAllowed",
        "NotAcceptable",
        "NotFound",
        "RequestEntityTooLarge",
        "ServerTimeout",
        "ServiceUnavailable",
        "StoreReadError",
        "Timeout",
        "TooManyRequests",
        "Unauthorized",
        "Unknown",
        "UnsupportedMediaType",
    }
)


class _StatusDetails(msgspec.Struct, rename="camel"):
    retry_after_seconds: int = 0


class _Status(msgspec.Struct):
    code: int = 0
    reason: str = ""
    message: str = ""
    details: _StatusDetails | None = None


_STATUS: Final = msgspec.json.Decoder(_Status)
