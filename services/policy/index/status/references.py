"""What a route refers to, whether or not the rest of it makes sense.

A route that means nothing refers to its parents all the same, and its owner looks for what is wrong
with it in its status.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, Protocol

from linkerd.kube.objects import BackendReference, DatedMeta, ParentReference, RouteStatus
from linkerd.mesh.ports import MAX_PORT
from linkerd.policy.parents import Parent, parents
from linkerd.policy.references import EGRESS_NETWORK, SERVER, SERVICE, referred
from services.policy.index.status.names import Target

_PARENTS: Final = (SERVER, SERVICE, EGRESS_NETWORK)
BACKENDS: Final = (SERVICE, EGRESS_NETWORK)
"""The kinds that traffic can be sent to."""


class Rule(Protocol):
    """Of a route of any kind."""

    @property
    def backend_refs(self) -> Sequence[BackendReference]: ...


class Spec(Protocol):
    """Of a route of any kind."""

    @property
    def parent_refs(self) -> tuple[ParentReference, ...]: ...

    @property
    def rules(self) -> Sequence[Rule]: ...


class RouteObject(Protocol):
    """A route of any kind."""

    @property
    def metadata(self) -> DatedMeta: ...

    @property
    def spec(self) -> Spec: ...

    @property
    def status(self) -> RouteStatus: ...


def parents_of(route: RouteObject) -> tuple[Parent, ...]:
    """The parents of kinds that we know, each once. No section counts, and of a Server no port: a
    status does not tell such parts apart. One with a port that is none is left out."""
    known = (
        replace(each, section=None, port=None if each.kind == SERVER else each.port)
        for each in parents(route.spec.parent_refs, route.metadata.namespace)
        if each.kind in _PARENTS and (each.port is None or 0 < each.port <= MAX_PORT)
    )
    return tuple(dict.fromkeys(known))


def backends_of(route: RouteObject) -> Iterator[Target]:
    """The backends of all rules, in their order; of a kind that is none of BACKENDS too."""
    own = route.metadata.namespace
    for rule in route.spec.rules:
        for each in rule.backend_refs:
            kind = referred(each.group, each.kind, BACKENDS)
            yield Target(kind, each.namespace or own, each.name)


def targets_of(route: RouteObject) -> frozenset[Target]:
    """Everything whose coming and going matters to the route."""
    at = (Target(each.kind, each.namespace, each.name) for each in parents_of(route))
    behind = (each for each in backends_of(route) if each.kind in BACKENDS)
    return frozenset((*at, *behind))
