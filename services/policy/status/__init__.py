"""Statuses of routes, rate limits and EgressNetworks: written by one replica, whichever holds the
Lease.

    planner.py     which statuses lack something
    documents.py   findings as a status, beside what other controllers found
    client.py      how they are written
    metrics.py     what is counted
    names.py       what it is called on the cluster
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry

from linkerd.kube.client import KubeClient
from linkerd.kube.controller.controller import Controller, ControllerMetrics
from linkerd.kube.controller.election import Election, LeaseMetrics, LeaseTimes
from linkerd.kube.controller.leader import Leader
from linkerd.kube.controller.lease import LeaseLock
from linkerd.kube.events import Event
from linkerd.mesh.labels import CONTROL_PLANE_COMPONENT, CONTROL_PLANE_NS
from linkerd.runtime.clock import Clock
from services.policy.index.kinds import Kind
from services.policy.index.objects import Objects
from services.policy.index.routes import ROUTES
from services.policy.index.status.names import StatusKey
from services.policy.resources import RESOURCES
from services.policy.status.client import StatusClient
from services.policy.status.metrics import PatchMetrics, StatusQueueMetrics
from services.policy.status.names import COMPONENT, LEASE, TIMES
from services.policy.status.planner import StatusPlanner

Listener = Callable[[Sequence[Event[Any]]], None]

_WRITTEN = (*ROUTES, Kind.RATE_LIMIT_POLICY, Kind.EGRESS_NETWORK)


class StatusWriter:
    """Chain `listeners` behind those of the index, which files `objects`, and start `leader` when
    all have been read."""

    def __init__(
        self,
        client: KubeClient,
        objects: Objects,
        namespace: str,
        identity: str,
        clock: Clock,
        registry: CollectorRegistry,
        *,
        deployment: str = "",
        patch_seconds: float = 5.0,
        times: LeaseTimes = TIMES,
    ) -> None:
        """`namespace` is the control plane's, `deployment` whom the Lease belongs to."""
        patches = PatchMetrics(registry)
        self.controller: Controller[StatusKey] = Controller(
            StatusPlanner(objects, clock),
            StatusClient(client, patch_seconds, patches, clock),
            clock,
            what="the status",
            metrics=ControllerMetrics("policy_status", registry),
            queue_metrics=StatusQueueMetrics(patches, registry, clock),
        )
        labels = {CONTROL_PLANE_COMPONENT: COMPONENT, CONTROL_PLANE_NS: namespace}
        lock = LeaseLock(client, namespace, LEASE, labels=labels, deployment=deployment)
        election = Election(
            lock, identity, metrics=LeaseMetrics(registry), clock=clock, times=times
        )
        self.leader = Leader(self.controller, election)
        self.listeners: Mapping[Kind, Listener] = {
            kind: self.controller.listener(RESOURCES[kind], partial(_itself, kind))
            for kind in _WRITTEN
        }
        """By kind: what is to be called with each batch of events, once the index has it."""
        objects.status.concerned = self._look_at

    def _look_at(self, keys: Iterable[StatusKey]) -> None:
        for key in keys:
            self.controller.add(key)


def _itself(kind: Kind, event: Event[Any]) -> tuple[StatusKey]:
    return (StatusKey.of(kind, event.object.metadata.key),)
