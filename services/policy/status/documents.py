"""Findings as the status of an object, and whether it says so already.

Only what is ours is compared and replaced: entries with our controller's name of a route, the
condition Accepted of a policy. Order does not count, and a condition keeps its time for as long as
its status stays.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from linkerd.kube.objects import (
    Condition,
    HTTPLocalRateLimitPolicyStatus,
    ParentReference,
    Reference,
    RouteParentStatus,
    RouteStatus,
)
from linkerd.policy.parents import CONTROLLER, Parent
from linkerd.policy.references import SERVICE
from services.policy.model.status import Finding, ParentFindings

Document = dict[str, Any]

_MOST_PARENTS: Final = 32  # entries that the schemas admit
_SERVICES_GROUP: Final = "core"  # in a status; an absent group would be the Gateway API's


def route_status(
    status: RouteStatus, findings: Sequence[ParentFindings], now: str
) -> Document | None:
    """The status of a route that has this one; None if that will do. `now` is RFC 3339."""
    theirs = [each for each in status.parents if each.controller_name != CONTROLLER]
    ours = [each for each in status.parents if each.controller_name == CONTROLLER]
    before = {each.parent_ref: each.conditions for each in ours}
    wanted = []
    for each in findings[: _MOST_PARENTS - len(theirs)]:
        reference = _reference(each.parent)
        conditions = _conditions(each.findings, before.get(reference, ()), now)
        wanted.append(RouteParentStatus(reference, CONTROLLER, conditions))
    if Counter(map(_said, wanted)) == Counter(map(_said, ours)):
        return None
    return {"parents": [_entry(each) for each in (*theirs, *wanted)]}


def policy_status(conditions: Sequence[Condition], finding: Finding, now: str) -> Document | None:
    """The status of a policy with these conditions; None if they will do."""
    ours = [each for each in conditions if each.type == finding.type]
    wanted = _conditions((finding,), ours, now)
    if _told(ours) == _told(wanted):
        return None
    theirs = [each for each in conditions if each.type != finding.type]
    return {"conditions": [_written(each) for each in (*theirs, *wanted)]}


def rate_limit_status(
    status: HTTPLocalRateLimitPolicyStatus, target: Reference, finding: Finding, now: str
) -> Document | None:
    """The status of a rate limit that has this one; None if that will do."""
    document = policy_status(status.conditions, finding, now)
    known = status.target_ref
    if document is None and known is not None and _name(known) == _name(target):
        return None
    group, kind, name = _name(target)
    return {**(document or {}), "targetRef": {"group": group, "kind": kind, "name": name}}


def _reference(parent: Parent) -> ParentReference:
    return ParentReference(
        name=parent.name,
        group=_SERVICES_GROUP if parent.kind == SERVICE else parent.kind.group,
        kind=parent.kind.kind,
        namespace=parent.namespace,
        port=parent.port,
    )


def _conditions(
    findings: Iterable[Finding], before: Iterable[Condition], now: str
) -> tuple[Condition, ...]:
    since = {(each.type, each.status): each.last_transition_time for each in before}
    return tuple(_condition(each, since, now) for each in findings)


def _condition(finding: Finding, since: Mapping[tuple[str, str], str], now: str) -> Condition:
    status = "True" if finding.holds else "False"
    return Condition(
        type=finding.type,
        status=status,
        reason=finding.reason,
        message=finding.message,
        last_transition_time=since.get((finding.type, status)) or now,
    )


def _said(entry: RouteParentStatus) -> tuple[object, ...]:
    return entry.parent_ref, _told(entry.conditions)


def _told(conditions: Iterable[Condition]) -> frozenset[tuple[object, ...]]:
    """What conditions say, but for since when."""
    return frozenset(
        (each.type, each.status, each.reason, each.message, each.observed_generation)
        for each in conditions
    )


def _name(reference: Reference) -> tuple[str, str, str]:
    return reference.group, reference.kind, reference.name


def _entry(entry: RouteParentStatus) -> Document:
    conditions = [_written(each) for each in entry.conditions]
    return {
        "parentRef": msgspec.to_builtins(entry.parent_ref),
        "controllerName": entry.controller_name,
        **({"conditions": conditions} if conditions else {}),  # the schemas admit no empty list
    }


def _written(condition: Condition) -> Document:
    """Without what is not said; a message may be empty."""
    fields: Document = msgspec.to_builtins(condition)
    return {name: value for name, value in fields.items() if value != "" or name == "message"}
