"""Wiring of the policy service.

Start-up: reflectors read the cluster into the index; once all have, gRPC is served and the process
is ready: a proxy that heard "allow" or "not found" of somebody who has not looked yet would act on
it. What was known stays served while the API server is away. One replica writes statuses.
"""

from typing import Final

from linkerd.index import LoopPace
from linkerd.kube.client import KubeClient
from linkerd.kube.connecting import connect
from linkerd.kube.controller.replica import holder_identity
from linkerd.kube.informer_metrics import CacheSizes, InformerLags
from linkerd.kube.reading import chained, read
from linkerd.kube.reflector import ReflectorOptions
from linkerd.kube.reflector_metrics import ReflectorMetrics
from linkerd.kube.watch_metrics import WatchCounts
from linkerd.rpc.serving import serve
from linkerd.runtime.process import Process
from services.policy.index.index import PolicyIndex
from services.policy.metrics import IndexCollector
from services.policy.resources import RESOURCES
from services.policy.server.inbound import InboundServerPolicies
from services.policy.server.outbound import OutboundPolicies
from services.policy.settings import Settings, mesh_of
from services.policy.status import StatusWriter
from services.policy.wire.inbound import encode_port
from services.policy.wire.outbound import PolicyDeltas

NAME: Final = "policy"


async def start(settings: Settings, process: Process) -> None:
    """Sets the service up: returns when it serves. Raises StartError or SettingsError."""
    caches = process.readiness.gate("caches")
    mesh = mesh_of(settings)
    index = PolicyIndex(mesh, port=encode_port, policies=PolicyDeltas, pace=LoopPace())
    process.registry.register(IndexCollector(index))
    client = await connect(settings.kubeconfig, process)
    metrics = ReflectorMetrics(process.registry)
    for collector in (CacheSizes, WatchCounts):
        process.registry.register(collector(metrics, RESOURCES.values()))
    options = ReflectorOptions(
        clock=process.clock, metrics=metrics, lags=InformerLags(process.registry)
    )
    writer = _status_writer(settings, client, index, process)
    listeners = {
        resource: chained(index.listener(kind), writer.listeners.get(kind))
        for kind, resource in RESOURCES.items()
    }
    await read(process, client, listeners, options)
    writer.leader.start(process, "write statuses")
    caches.open()
    await serve(
        settings,
        process,
        InboundServerPolicies(index).table(),
        OutboundPolicies(index).table(),
    )


def _status_writer(
    settings: Settings, client: KubeClient, index: PolicyIndex, process: Process
) -> StatusWriter:
    return StatusWriter(
        client,
        index.home.objects,
        settings.control_plane_namespace,
        holder_identity(),
        process.clock,
        process.registry,
        deployment=settings.policy_deployment_name,
        patch_seconds=settings.patch_timeout.total_seconds(),
    )
