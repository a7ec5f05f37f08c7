"""What is found out about one object, from those that are filed."""

from collections.abc import Iterator
from typing import Final

from linkerd.kube.objects import Key
from linkerd.policy.errors import PolicyError, UnsupportedError
from linkerd.policy.parents import Parent
from linkerd.policy.references import EGRESS_NETWORK, SERVER, SERVICE
from services.policy.index.kinds import Kind
from services.policy.index.objects import Objects
from services.policy.index.routes import ROUTES, RouteKey
from services.policy.index.status.claims import limit_claim
from services.policy.index.status.names import StatusKey, Target
from services.policy.index.status.references import BACKENDS, RouteObject, backends_of, parents_of
from services.policy.index.status.standing import Standing
from services.policy.model.status import (
    RESOLVED_REFS,
    TAKEN,
    Finding,
    ParentFindings,
    refused,
)

_NO_PARENT: Final = "NoMatchingParent"
_UNFIT: Final = {
    SERVICE: refused(_NO_PARENT, "a parent Service must have a ClusterIP of its own"),
    EGRESS_NETWORK: refused(_NO_PARENT, "the EgressNetwork is not accepted itself"),
}
_CONFLICTED: Final = refused("RouteReasonConflicted")
_RESOLVED: Final = Finding(RESOLVED_REFS, holds=True, reason="ResolvedRefs")
_NOT_FOUND: Final = Finding(RESOLVED_REFS, holds=False, reason="BackendNotFound")
_ODD_KIND: Final = Finding(RESOLVED_REFS, holds=False, reason="InvalidKind")
_ANOTHER_NETWORK: Final = Finding(
    RESOLVED_REFS,
    holds=False,
    reason="InvalidKind",
    message="an EgressNetwork can be a backend only where it is the parent too",
)
_IN_THE_CLUSTER: Final = refused(
    "EgressReasonNetworkOverlap",
    "networks must not overlap with clusterNetworks, which are the cluster's own addresses",
)
_LONGEST: Final = 1_000  # characters of a message, which may quote the object


def egress_network_finding(objects: Objects, key: Key) -> Finding:
    """Whether an EgressNetwork that is filed is in force."""
    standing = objects.status.standing(Target(EGRESS_NETWORK, *key))
    return TAKEN if standing is Standing.READY else _IN_THE_CLUSTER


def rate_limit_finding(objects: Objects, key: Key) -> Finding:
    """Whether a rate limit that is filed is in force."""
    tables = objects.status
    claim = limit_claim(tables.rate_limits[key])
    if claim is None or tables.standing(claim.server) is Standing.MISSING:
        return refused("NoMatchingTarget")
    if not tables.limit_claims.is_first(claim):
        return refused("RateLimitReasonAlreadyExists")
    return TAKEN


def route_findings(objects: Objects, key: StatusKey) -> tuple[ParentFindings, ...]:
    """What is found out about a route that is filed, at each of its parents."""
    return tuple(_RouteFindings(objects, key).all())


class _RouteFindings:
    def __init__(self, objects: Objects, key: StatusKey) -> None:
        self._objects = objects
        self._tables = objects.status
        self._key = key
        self._route: RouteObject = self._tables.routes[key]

    def all(self) -> Iterator[ParentFindings]:
        for parent in parents_of(self._route):
            accepted = self._accepted(parent)
            if parent.kind == SERVER:
                yield ParentFindings(parent, (accepted,))
            else:
                yield ParentFindings(parent, (accepted, self._resolved(parent)))

    def _accepted(self, parent: Parent) -> Finding:
        standing = self._tables.standing(Target(parent.kind, parent.namespace, parent.name))
        if standing is Standing.MISSING:
            return refused(_NO_PARENT)
        if standing is Standing.UNFIT:
            return _UNFIT[parent.kind]
        fault = self._fault(parent)
        if fault is not None:
            return _refused_for(fault)
        is_taken = self._tables.route_claims.is_taken(parent, self._key)
        return _CONFLICTED if is_taken else TAKEN

    def _fault(self, parent: Parent) -> PolicyError | None:
        """What keeps proxies from being told of the route. Those of Servers do not read its
        annotations."""
        kind = Kind(self._key.kind)
        judged = self._objects.routes.judged.get(RouteKey(kind, self._key.object))
        if judged is not None:
            calls = judged.calls
            return calls if isinstance(calls, PolicyError) and parent.kind != SERVER else None
        try:
            ROUTES[kind](self._route)
        except PolicyError as fault:
            return fault
        return None

    def _resolved(self, parent: Parent) -> Finding:
        """Whether all backends are there: the first that is not says why."""
        for backend in backends_of(self._route):
            if backend.kind not in BACKENDS:
                return _ODD_KIND
            if self._tables.standing(backend) is Standing.MISSING:
                return _NOT_FOUND
            is_parent = backend == Target(parent.kind, parent.namespace, parent.name)
            if backend.kind == EGRESS_NETWORK and not is_parent:
                return _ANOTHER_NETWORK
        return _RESOLVED


def _refused_for(fault: PolicyError) -> Finding:
    """A condition with the Gateway API's reason for values that nobody can do anything with."""
    unsupported = isinstance(fault, UnsupportedError)
    reason = "IncompatibleFilters" if unsupported else "UnsupportedValue"
    return refused(reason, str(fault)[:_LONGEST])
