"""From a review's request to a verdict. Nothing is looked up: the object alone is judged."""

from typing import Any

from linkerd.policy.errors import PolicyError, UnsupportedError
from linkerd.profiles.errors import InvalidProfile
from linkerd.profiles.validation import validate
from linkerd.runtime.logs import get_logger
from linkerd.webhook.errors import ObjectError
from linkerd.webhook.review import AdmissionRequest, Allowed, Denied, Verdict
from services.validator.kinds import KINDS, SERVICE_PROFILE, Kind

_log = get_logger(__name__)


def review(request: AdmissionRequest) -> Verdict:
    """Whether the object may be stored: its first fault, if it may not."""
    if request.operation not in {"CREATE", "UPDATE"}:
        return Allowed()
    asked = request.kind
    if SERVICE_PROFILE.is_named(asked.group, asked.kind):
        return _profile(request)
    for kind in KINDS:
        if kind.name.is_named(asked.group, asked.kind):
            return _policy(request, kind)
    return Denied(f"unsupported resource type: {asked.group}.{asked.version}.{asked.kind}"[:500])


def _profile(request: AdmissionRequest) -> Verdict:
    try:
        validate(request.decode(dict))
    except InvalidProfile as fault:
        return Denied(str(fault))
    return Allowed()


def _policy(request: AdmissionRequest, kind: Kind[Any]) -> Verdict:
    who = f'{kind.name.kind} "{request.object_name}"'
    try:
        kind.judge(request.decode(kind.resource.struct))
    except ObjectError as error:
        if kind.is_ours:
            return Denied(f"{who} has not the form of its kind: {error}")
        _log.warning(
            "admitted a route that cannot be read, as another controller may know it",
            kind=kind.name.kind,
            namespace=request.namespace,
            name=request.object_name,
            error=str(error),
        )
        return Allowed()
    except UnsupportedError as error:
        return Allowed(warnings=(f"{who} will have no effect on the mesh: {error}",))
    except PolicyError as fault:
        return Denied(f"{who}: {fault}")
    return Allowed()
