"""Slices of ExternalWorkloads: kept by one replica, whichever holds the Lease."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry

from linkerd.index.complaints import Complaints
from linkerd.kube.client import KubeClient
from linkerd.kube.controller.controller import Controller, ControllerMetrics
from linkerd.kube.controller.election import Election, LeaseMetrics, LeaseTimes
from linkerd.kube.controller.leader import Leader
from linkerd.kube.controller.lease import LeaseLock
from linkerd.kube.controller.queue_metrics import QueueFamilies, QueueMetrics
from linkerd.kube.events import Event
from linkerd.kube.objects import ExternalWorkload
from linkerd.kube.resource import ENDPOINT_SLICES, EXTERNAL_WORKLOADS, SERVICES
from linkerd.runtime.clock import Clock
from linkerd.runtime.metrics import PlainCounter
from services.destination.workloads.endpoints import Odd
from services.destination.workloads.names import LEASE, QUEUE
from services.destination.workloads.objects import Objects
from services.destination.workloads.planner import SlicePlanner

Listener = Callable[[Sequence[Event[Any]]], None]

_PREFIX = "workload_slices"  # of metrics


class WorkloadSlices:
    """Chain `listeners` behind those of the reflectors, and start `leader` when these have
    synced."""

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        identity: str,
        clock: Clock,
        registry: CollectorRegistry,
        *,
        queue_metrics: bool = True,
        times: LeaseTimes | None = None,
    ) -> None:
        """`namespace` is the control plane's. `queue_metrics`: whether `registry` has them."""
        objects = Objects()
        families = QueueFamilies(registry if queue_metrics else CollectorRegistry())
        self.controller = controller = Controller(
            SlicePlanner(objects, _complaining(registry)),
            client,
            clock,
            what="slices of the service",
            metrics=ControllerMetrics(_PREFIX, registry),
            queue_metrics=QueueMetrics(QUEUE, families, clock),
        )
        self.leader = Leader(
            controller,
            Election(
                LeaseLock(client, namespace, LEASE),
                identity,
                metrics=LeaseMetrics(registry),
                clock=clock,
                times=times,
            ),
        )
        self.listeners: Mapping[str, Listener] = {
            SERVICES.kind: controller.listener(SERVICES, objects.take_service),
            EXTERNAL_WORKLOADS.kind: controller.listener(EXTERNAL_WORKLOADS, objects.take_workload),
            ENDPOINT_SLICES.kind: controller.listener(ENDPOINT_SLICES, objects.take_slice),
        }
        """By kind: what its reflector is to call with each batch of events."""


def _complaining(registry: CollectorRegistry) -> Odd:
    """What logs of odd workloads, a line each, and counts the lines."""
    complaints = Complaints(message="external workload cannot be used as it is")
    count = PlainCounter(
        f"{_PREFIX}_complaints_total", "Odd workloads that were logged.", [], registry
    )

    def odd(workload: ExternalWorkload, part: str, problem: str) -> None:
        namespace, name = workload.metadata.key
        if complaints.about(EXTERNAL_WORKLOADS.kind, namespace, name, part, problem):
            count.inc()

    return odd
