"""What routes attach to, and what controllers made of that."""

from dataclasses import dataclass, replace
from typing import Final

from linkerd.kube.objects import Condition, ParentReference, RouteStatus
from linkerd.policy.references import EGRESS_NETWORK, SERVER, SERVICE, GroupKind, referred

CONTROLLER: Final = "linkerd.io/policy-controller"
"""Our name in the status of objects."""

ACCEPTED: Final = "Accepted"
"""The condition of a parent that takes a route, and of a policy that is in force."""

_KINDS: Final = (SERVICE, SERVER, EGRESS_NETWORK)


@dataclass(frozen=True, slots=True)
class Parent:
    """A reference to a parent: SERVICE, SERVER, EGRESS_NETWORK or a kind that is none of ours.
    `port` and `section` are as written, None where they are not."""

    kind: GroupKind
    namespace: str
    name: str
    port: int | None = None
    section: str | None = None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A parent of which a controller says that it takes the route."""

    parent: Parent
    controller: str


def parents(references: tuple[ParentReference, ...], namespace: str) -> tuple[Parent, ...]:
    """The parents of a route in `namespace`, which is theirs, too, if they name none."""
    return tuple(_parent(reference, namespace) for reference in references)


def acceptances(status: RouteStatus, namespace: str) -> tuple[Acceptance, ...]:
    """Who takes the route, of a route in `namespace`."""
    return tuple(
        Acceptance(_parent(entry.parent_ref, namespace), entry.controller_name)
        for entry in status.parents
        if is_accepted(entry.conditions)
    )


def is_pending(status: RouteStatus, references: tuple[Parent, ...], namespace: str) -> bool:
    """Whether we have yet to say of a parent that clients call if it takes the route."""
    told = {
        replace(_parent(entry.parent_ref, namespace), section=None)
        for entry in status.parents
        if entry.controller_name == CONTROLLER
    }
    return any(
        parent.kind in (SERVICE, EGRESS_NETWORK) and replace(parent, section=None) not in told
        for parent in references
    )


def is_meshed(references: tuple[ParentReference, ...]) -> bool:
    """Whether one of the parents is of the mesh. A route without any is somebody else's, who may
    write it as they like."""
    return any(parent.kind in _KINDS for parent in parents(references, ""))


def is_called(references: tuple[ParentReference, ...]) -> bool:
    """Whether one of the parents is what clients call, a Service or an EgressNetwork."""
    return any(parent.kind in (SERVICE, EGRESS_NETWORK) for parent in parents(references, ""))


def is_accepted(conditions: tuple[Condition, ...]) -> bool:
    """Whether one of the conditions says so."""
    return any(each.type == ACCEPTED and each.status == "True" for each in conditions)


def _parent(reference: ParentReference, namespace: str) -> Parent:
    return Parent(
        kind=referred(reference.group, reference.kind, _KINDS),
        namespace=reference.namespace or namespace,
        name=reference.name,
        port=reference.port,
        section=reference.section_name,
    )
