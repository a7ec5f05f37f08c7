"""Whose token a workload shows, as the API server says.

Workloads mount a token bound to our audience; that is what is asked about first. Old ones carry the
API server's own audience: the server then complains about `token audiences`, and only then it is
asked once more, without naming an audience. Any other complaint is final. What the server says the
token is good for must include what was asked for, since servers that know nothing of audiences
accept a token for anything.

No text that leaves this module holds the token.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from linkerd.kube.client import KubeClient
from linkerd.kube.errors import ApiError, KubeError, ServerError, TooManyRequests
from linkerd.kube.reviews import TokenReviewStatus, create_token_review
from linkerd.mesh.names import IDENTITY_AUDIENCE, IdentityDomain, is_dns_label
from linkerd.runtime.logs import get_logger
from services.identity.errors import (
    InvalidRequestError,
    RefusedError,
    ReviewRefusedError,
    ReviewUnavailableError,
    shown,
)

MAX_BYTES: Final = 16 * 1024
"""Bounds what is passed on to the API server; real tokens take 1 to 2 KiB."""

REVIEW_TIMEOUT: Final = 5.0
"""Seconds. Proxies try again after 10, and a healthy API server answers in a few milliseconds."""

_WRONG_AUDIENCE: Final = "token audiences"
_USER_PARTS: Final = 4
_MOUNT: Final = (
    f"mount a projected ServiceAccount token with the audience {IDENTITY_AUDIENCE}, and send that"
)

_log = get_logger(__name__)


class Reviewer(Protocol):
    """Asks whether a token is valid for any of the audiences, or, without any, for the server's
    own. Raises ReviewUnavailableError or ReviewRefusedError."""

    async def __call__(self, token: str, audiences: Sequence[str]) -> TokenReviewStatus: ...


class KubeReviewer:
    """A Reviewer that asks a Kubernetes API server."""

    def __init__(self, client: KubeClient, *, timeout: float = REVIEW_TIMEOUT) -> None:
        self._client = client
        self._timeout = timeout

    async def __call__(self, token: str, audiences: Sequence[str]) -> TokenReviewStatus:
        try:
            return await create_token_review(self._client, token, audiences, timeout=self._timeout)
        except KubeError as error:
            _log.warning("token review failed", error=str(error).replace(token, "[token]"))
            raise _call_error(error) from None  # its text is of no use to the client


class TokenJudge:
    """Tells the identity that a token proves."""

    def __init__(self, review: Reviewer, domain: IdentityDomain) -> None:
        self._review = review
        self._domain = domain

    async def identity_of(self, token: str) -> str:
        """The identity of the token's ServiceAccount.

        Raises InvalidRequestError, RefusedError, and what the reviewer raises.
        """
        status = await self._ask(token)
        if status.error:
            raise InvalidRequestError(
                f"token is not valid: {_said(status, token)}; send what the token file holds now, "
                "which the kubelet renews"
            )
        if not status.authenticated:
            raise RefusedError(
                f"token could not be authenticated by the Kubernetes API server: {_MOUNT}"
            )
        return identity_of_user(status.user.username, self._domain)

    async def _ask(self, token: str) -> TokenReviewStatus:
        audiences = [IDENTITY_AUDIENCE]
        status = await self._review(token, audiences)
        if _WRONG_AUDIENCE in status.error:
            again = await self._review(token, [])
            if _WRONG_AUDIENCE in again.error:
                # What was said first names the audience that we want, not the API server's own.
                raise InvalidRequestError(
                    f"token is for another audience than {IDENTITY_AUDIENCE}: {_MOUNT} (the API "
                    f"server says: {_said(status, token)})"
                )
            return again
        if status.authenticated and IDENTITY_AUDIENCE not in status.audiences:
            raise RefusedError(
                f"token could not be authenticated for the audience {IDENTITY_AUDIENCE}: {_MOUNT}"
            )
        return status


def _said(status: TokenReviewStatus, token: str) -> str:
    return status.error.replace(token, "[token]")


def identity_of_user(username: str, domain: IdentityDomain) -> str:
    """The identity of a Kubernetes user `system:<kind>:<namespace>:<name>`, all of whose parts
    must be DNS labels. Raises InvalidRequestError."""
    prefix, *parts = username.split(":")
    if prefix != "system" or len(parts) != _USER_PARTS - 1:
        raise InvalidRequestError(
            f"token belongs to the user {shown(username)}; it must be a ServiceAccount's"
        )
    for part in parts:
        if not is_dns_label(part):
            raise InvalidRequestError(
                f"token belongs to {shown(username)}: {shown(part)} is not a label, so no mesh "
                "identity can be made of it (lower-case letters, digits and dashes, at most 63)"
            )
    kind, namespace, name = parts
    return domain.workload(name, namespace, kind)


def decode(token: bytes) -> str:
    """The text of a token. Raises InvalidRequestError when it is too long, or none."""
    if len(token) > MAX_BYTES:
        raise InvalidRequestError(f"token has {len(token)} bytes; at most {MAX_BYTES} are accepted")
    try:
        return token.decode()
    except UnicodeDecodeError:
        # Not "from error": that one holds the token.
        raise InvalidRequestError("token is not text: send the token file as it is") from None


def is_final(error: KubeError) -> bool:
    """Whether the API server answered that it will not do what was asked, now or later."""
    return isinstance(error, ApiError) and not isinstance(error, (ServerError, TooManyRequests))


def _call_error(error: KubeError) -> ReviewUnavailableError | ReviewRefusedError:
    if isinstance(error, ApiError) and is_final(error):
        return ReviewRefusedError(
            f"the Kubernetes API server does not let this service review tokens "
            f"({error.status} {error.reason}): it needs create on tokenreviews"
        )
    if isinstance(error, TooManyRequests):
        return ReviewUnavailableError(
            "token cannot be reviewed now, the Kubernetes API server is overloaded: try again",
            overloaded=True,
            retry_after=error.retry_after,
        )
    return ReviewUnavailableError(
        "token cannot be reviewed now, the Kubernetes API server does not answer: try again"
    )
