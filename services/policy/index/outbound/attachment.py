"""Which routes are attached to a port of a parent."""

from collections.abc import Iterable
from operator import attrgetter

from linkerd.policy.errors import PolicyError
from linkerd.policy.parents import Parent as Reference
from linkerd.policy.references import SERVICE
from services.policy.index.outbound.targets import Parent
from services.policy.index.routes import JudgedRoute, accepted, kept


def attached(routes: Iterable[JudgedRoute], parent: Parent) -> list[JudgedRoute]:
    """Those that name the port as their parent, or did so until now, were accepted there by our
    controller, and can be told to proxies of clients; in the order in which they are told."""
    found = [
        route
        for route in routes
        if not isinstance(route.calls, PolicyError)
        and any(_is_at(reference, parent) for reference in accepted(route))
        and any(_names(reference, parent) for reference in (*route.parents, *kept(route)))
    ]
    return sorted(found, key=attrgetter("order"))


def _names(reference: Reference, parent: Parent) -> bool:
    """Whether a route's reference means the port. One without a port means all of a Service's, and
    none of an EgressNetwork's, which has no list of them."""
    return _is_at(reference, parent) and (reference.port is not None or parent.kind == SERVICE)


def _is_at(reference: Reference, parent: Parent) -> bool:
    return (
        reference.kind == parent.kind
        and (reference.namespace, reference.name) == parent.key
        and reference.port in (None, parent.port)
    )
