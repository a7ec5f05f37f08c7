"""Questions to the API server: whose token is this, and may we do that."""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

import msgspec

from linkerd.kube.client import KubeClient
from linkerd.kube.errors import ProtocolError
from linkerd.kube.resource import Resource

R = TypeVar("R")

_AUTHENTICATION: Final = "/apis/authentication.k8s.io/v1/tokenreviews"
_AUTHORIZATION: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class UserInfo(msgspec.Struct, frozen=True):
    """Who somebody is to the API server, for instance `system:serviceaccount:shop:web`."""

    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()


class TokenReviewStatus(msgspec.Struct, frozen=True):
    """The server's verdict. `error` says why a token could not be judged; look at it first."""

    authenticated: bool = False
    user: UserInfo = UserInfo()
    audiences: tuple[str, ...] = ()
    error: str = ""


class AccessReviewStatus(msgspec.Struct, frozen=True):
    """The server's verdict, with its reasons as far as it gives any."""

    allowed: bool = False
    denied: bool = False
    reason: str = ""
    evaluation_error: str = msgspec.field(name="evaluationError", default="")


class _TokenReview(msgspec.Struct):
    status: TokenReviewStatus = TokenReviewStatus()


class _AccessReview(msgspec.Struct):
    status: AccessReviewStatus = AccessReviewStatus()


async def create_token_review(
    client: KubeClient, token: str, audiences: Sequence[str] = (), *, timeout: float = 10.0
) -> TokenReviewStatus:
    """Asks whether a token is valid for any of the audiences (the server's own, if none is given).
    `timeout` is in seconds. Raises KubeError if the question could not be asked."""
    spec = {"token": token, "audiences": list(audiences)}
    body = _document("authentication.k8s.io/v1", "TokenReview", spec)
    answer = await client.post(_AUTHENTICATION, body, timeout=timeout)
    return _decode(answer, _TokenReview).status


async def self_subject_access_review(
    client: KubeClient,
    verb: str,
    resource: Resource[Any],
    *,
    namespace: str | None = None,
    name: str | None = None,
    timeout: float = 10.0,
) -> AccessReviewStatus:
    """Asks whether we may do `verb` on the resource, in one namespace or in all. `timeout` is in
    seconds. Raises KubeError if the question could not be asked."""
    attributes = {
        "verb": verb,
        "group": resource.group,
        "version": resource.version,
        "resource": resource.plural,
        "namespace": namespace or "",
        "name": name or "",
    }
    spec = {"resourceAttributes": attributes}
    body = _document("authorization.k8s.io/v1", "SelfSubjectAccessReview", spec)
    answer = await client.request("POST", _AUTHORIZATION, body=body, timeout=timeout)
    return _decode(answer, _AccessReview).status


def _document(api_version: str, kind: str, spec: object) -> bytes:
    return msgspec.json.encode({"apiVersion": api_version, "kind": kind, "spec": spec})


def _decode(answer: bytes, kind: type[R]) -> R:
    try:
        return msgspec.json.decode(answer, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProtocolError(f"not a review: {error}") from error
