"""Which statuses are to be written, from the objects that are known."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from linkerd.kube.controller.writes import Patch, Write
from linkerd.kube.objects import HTTPLocalRateLimitPolicy, KubeObject, Reference
from linkerd.policy.references import SERVER
from linkerd.runtime.clock import Clock
from services.policy.index.kinds import Kind
from services.policy.index.objects import Objects
from services.policy.index.routes import ROUTES
from services.policy.index.status.findings import (
    egress_network_finding,
    rate_limit_finding,
    route_findings,
)
from services.policy.index.status.names import StatusKey
from services.policy.resources import RESOURCES
from services.policy.status.documents import (
    Document,
    policy_status,
    rate_limit_status,
    route_status,
)

Wanted = tuple[KubeObject, Document | None]
"""An object, and the status that it lacks."""


class StatusPlanner:
    """Keys are those of routes, rate limits and EgressNetworks."""

    def __init__(self, objects: Objects, clock: Clock) -> None:
        self._objects = objects
        self._clock = clock
        self._wanted: Final[Mapping[str, Callable[[StatusKey, str], Wanted | None]]] = {
            **{kind.value: self._of_route for kind in ROUTES},
            Kind.RATE_LIMIT_POLICY.value: self._of_rate_limit,
            Kind.EGRESS_NETWORK.value: self._of_egress_network,
        }

    def keys(self) -> Iterable[StatusKey]:
        """All objects whose status is ours."""
        return self._objects.status.keys()

    def plan(self, key: StatusKey) -> Sequence[Write]:
        """A patch of the status, if it lacks something; nothing for an object that is gone."""
        now = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        wanted = self._wanted[key.kind](key, now)
        if wanted is None:
            return ()
        item, status = wanted
        if status is None:
            return ()
        return (Patch(RESOURCES[Kind(key.kind)], item, {"status": status}, "status"),)

    def _of_route(self, key: StatusKey, now: str) -> Wanted | None:
        route = self._objects.status.routes.get(key)
        if route is None:
            return None
        return route, route_status(route.status, route_findings(self._objects, key), now)

    def _of_rate_limit(self, key: StatusKey, now: str) -> Wanted | None:
        policy = self._objects.status.rate_limits.get(key.object)
        if policy is None:
            return None
        finding = rate_limit_finding(self._objects, key.object)
        return policy, rate_limit_status(policy.status, _target(policy), finding, now)

    def _of_egress_network(self, key: StatusKey, now: str) -> Wanted | None:
        network = self._objects.status.egress_networks.get(key.object)
        if network is None:
            return None
        finding = egress_network_finding(self._objects, key.object)
        return network, policy_status(network.status.conditions, finding, now)


def _target(policy: HTTPLocalRateLimitPolicy) -> Reference:
    """What it is for, a Server by the names of its kind and group whatever their case was."""
    reference = policy.spec.target_ref
    if not SERVER.is_named(reference.group, reference.kind):
        return reference
    return Reference(kind=SERVER.kind, name=reference.name, group=SERVER.group)
