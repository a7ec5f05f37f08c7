"""What is found out about objects, as their status is to say it."""

from dataclasses import dataclass
from typing import Final

from linkerd.policy.parents import ACCEPTED, Parent

RESOLVED_REFS: Final = "ResolvedRefs"
"""The condition of a route at a parent: whether all of its backends are there."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A condition: its type, whether it holds, and why."""

    type: str
    holds: bool
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class ParentFindings:
    """What is found out about a route at one of its parents."""

    parent: Parent
    findings: tuple[Finding, ...]


TAKEN: Final = Finding(ACCEPTED, holds=True, reason="Accepted")
"""A parent takes the route; a policy is in force."""


def refused(reason: str, message: str = "") -> Finding:
    """The opposite of TAKEN."""
    return Finding(ACCEPTED, holds=False, reason=reason, message=message)
