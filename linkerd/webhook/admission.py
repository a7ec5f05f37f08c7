"""From a request's body to a verdict: what every admission webhook shares.

Requests that are no reviews are refused with an HTTP status, which the API server takes for a
failure of the call: the failurePolicy of the webhook's configuration decides. Whatever is a review
gets a verdict, also when the reviewer fails: by the policy that the webhook declares here, which
should be that of its configuration.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal

from aiohttp import web
from prometheus_client import CollectorRegistry, Histogram

from linkerd.runtime.duration import parse_go_duration
from linkerd.runtime.errors import DurationError
from linkerd.runtime.logs import get_logger
from linkerd.runtime.metrics import PlainCounter
from linkerd.webhook.body import Bodies
from linkerd.webhook.errors import ObjectError, RequestError
from linkerd.webhook.review import (
    AdmissionRequest,
    Allowed,
    Denied,
    Verdict,
    decode_review,
    encode_verdict,
)

Reviewer = Callable[[AdmissionRequest], Verdict | Awaitable[Verdict]]

MAX_SECONDS: Final = 30.0
"""The API server waits for no webhook longer."""

_BUCKETS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
_OTHER: Final = "other"
_JSON: Final = "application/json"
_FAILED: Final = "the webhook failed to judge the object; the log of its control plane says why"

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Webhook:
    """What one path judges.

    `resources` are those that it is configured for (plurals, `pods`); others are reviewed as
    well, and counted together. `review` is called on the event loop, so it must not block.
    """

    path: str
    review: Reviewer
    resources: Collection[str]
    failure_policy: Literal["Fail", "Ignore"]


class Admission:
    """Answers the requests of some webhooks; an `https.Handler`."""

    def __init__(
        self, webhooks: Collection[Webhook], bodies: Bodies, registry: CollectorRegistry
    ) -> None:
        self._webhooks = {webhook.path: webhook for webhook in webhooks}
        self._bodies = bodies
        self._responses = PlainCounter(
            "admission_responses_total",
            "Verdicts by resource, operation and whether the object was allowed.",
            ["resource", "operation", "allowed"],
            registry,
        )
        self._failures = PlainCounter(
            "admission_failures_total",
            "Reviews that failed and were answered by the failure policy.",
            ["resource"],
            registry,
        )
        self._seconds = Histogram(
            "admission_seconds",
            "From the whole body to the verdict.",
            ["resource"],
            buckets=_BUCKETS,
            registry=registry,
        )

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        """The answer; an error's text says what is wrong with the request."""
        try:
            webhook = self._webhook(request)
            async with self._bodies.of(request) as body:
                review = decode_review(body)
                verdict = await self._judge(webhook, review.request, _seconds(request))
                answer = encode_verdict(review, verdict)
        except RequestError as error:
            _log.info("request refused", status=error.status, error=str(error))
            response = web.Response(status=error.status, text=f"{error}\n")
            if error.status != HTTPStatus.BAD_REQUEST:
                response.force_close()  # what is left of the body is not worth reading
            return response
        return web.Response(body=answer, content_type=_JSON)

    def _webhook(self, request: web.BaseRequest) -> Webhook:
        webhook = self._webhooks.get(request.path)
        if webhook is None:
            raise RequestError(HTTPStatus.NOT_FOUND, f"path: no webhook at {request.path[:200]}")
        if request.method != "POST":
            raise RequestError(HTTPStatus.METHOD_NOT_ALLOWED, "method: reviews are sent by POST")
        if request.content_type not in {_JSON, "application/octet-stream"}:  # aiohttp's for "none"
            raise RequestError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Type: reviews are sent as {_JSON}"
            )
        return webhook

    async def _judge(self, webhook: Webhook, request: AdmissionRequest, seconds: float) -> Verdict:
        resource = request.resource.resource
        resource = resource if resource in webhook.resources else _OTHER
        with self._seconds.labels(resource).time():
            try:
                async with asyncio.timeout(seconds):
                    verdict = await _verdict(webhook.review, request)
            except ObjectError as error:
                verdict = Denied(str(error))
            except Exception as error:  # noqa: BLE001  # whatever a reviewer does, the answer is a verdict
                self._failures.labels(resource).inc()
                _log_failure(request, error)
                verdict = _failed(webhook)
        allowed = not isinstance(verdict, Denied)
        self._responses.labels(resource, request.operation, str(allowed).lower()).inc()
        if isinstance(verdict, Denied):
            why = "" if _is_secret(request) else verdict.message
            _log.info("denied", **_facts(request), error=why)
        return verdict


async def _verdict(review: Reviewer, request: AdmissionRequest) -> Verdict:
    verdict = review(request)
    return await verdict if inspect.isawaitable(verdict) else verdict


def _failed(webhook: Webhook) -> Verdict:
    if webhook.failure_policy == "Ignore":
        return Allowed(warnings=(f"{_FAILED}; it was let through unjudged",))
    return Denied(_FAILED, code=HTTPStatus.INTERNAL_SERVER_ERROR)


def _log_failure(request: AdmissionRequest, error: Exception) -> None:
    """Where it went wrong is worth a stack trace; of a Secret only the kind of error is said."""
    kind = type(error).__name__
    if _is_secret(request):
        _log.error("a review failed", **_facts(request), error=kind)
    else:
        _log.error("a review failed", **_facts(request), error=str(error) or kind, exc_info=error)


def _is_secret(request: AdmissionRequest) -> bool:
    """Whether messages about it may quote what nobody is to read in a log."""
    return request.resource.resource == "secrets" or request.kind.kind == "Secret"


def _facts(request: AdmissionRequest) -> dict[str, str]:
    return {
        "kind": request.kind.kind,
        "namespace": request.namespace,
        "name": request.object_name,
        "operation": request.operation,
        "uid": request.uid,
    }


def _seconds(request: web.BaseRequest) -> float:
    """How long the API server waits: it says so in the query."""
    try:
        asked = parse_go_duration(request.query.get("timeout", "")).total_seconds()
    except DurationError:
        return MAX_SECONDS
    return min(asked, MAX_SECONDS) if asked > 0 else MAX_SECONDS
