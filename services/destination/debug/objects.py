"""Objects as JSON: what the index knows of them, and what stands behind an endpoint."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from linkerd.kube.objects import (
    ExternalWorkload,
    Key,
    KubeObject,
    ObjectMeta,
    Server,
    TargetRef,
)
from linkerd.kube.reflector_metrics import LOCAL_CLUSTER
from linkerd.mesh.ports import NO_PORTS
from services.destination.index import Kind
from services.destination.index.context import Context
from services.destination.index.objects import Objects
from services.destination.index.opaque_ports import Inputs
from services.destination.index.origins import HOME
from services.destination.index.pod_facts import owner_of, pod_facts
from services.destination.index.workload_facts import workload_facts
from services.destination.model.address import Address
from services.destination.pods import Pod
from services.destination.resources import resources

PLURALS: Final[Mapping[Kind, str]] = {
    kind: resource.plural
    for slices in (True, False)
    for kind, resource in resources(slices=slices).items()
}
"""What the API server, and metrics of reflectors, call each kind."""

Json = dict[str, Any]
_Keyed = Mapping[Key, Any]

_TABLES: Final[Mapping[Kind, Callable[[Objects], _Keyed]]] = {
    Kind.POD: lambda o: o.pods,
    Kind.SERVICE: lambda o: o.services,
    Kind.SLICE: lambda o: o.slices,
    Kind.ENDPOINTS: lambda o: {k: v for k, v in o.slices.items() if not v.address_type},
    Kind.EXTERNAL_WORKLOAD: lambda o: o.workloads,
    Kind.NODE: lambda o: {Key("", name): {"zone": zone} for name, zone in o.zones.items()},
    Kind.REPLICA_SET: lambda o: _owners(o, Kind.REPLICA_SET),
    Kind.JOB: lambda o: _owners(o, Kind.JOB),
    Kind.SERVER: lambda o: {k: v for some in o.opaque_servers.values() for k, v in some.items()},
    Kind.PROFILE: lambda o: o.profiles,
    Kind.SPLIT: lambda o: o.splits,
}


def known(objects: Objects, kind: Kind) -> _Keyed:
    """What the index keeps of a kind: the trimmed objects, or of some kinds the one thing that it
    needs of them. Of Servers, those that make ports opaque."""
    return _TABLES[kind](objects)


def cluster_name(cluster: str) -> str:
    """What pages and metrics call a cluster."""
    return LOCAL_CLUSTER if cluster == HOME else cluster


def plain(item: object) -> Any:
    """An object as JSON values."""
    return msgspec.to_builtins(item, str_keys=True)


def reference(metadata: ObjectMeta) -> Json:
    """Which object, and which version of it."""
    return {
        "namespace": metadata.namespace,
        "name": metadata.name,
        "uid": metadata.uid,
        "resource_version": metadata.resource_version,
    }


def reference_in(table: Mapping[Key, KubeObject], key: Key) -> Json:
    """The same by name; `known` is false if there is no such object."""
    item = table.get(key)
    if item is None:
        return {"namespace": key.namespace, "name": key.name, "known": False}
    return reference(item.metadata) | {"known": True}


def target(context: Context, namespace: str, ref: TargetRef | None, port: int | None) -> Json:
    """What stands behind an endpoint of a slice of `namespace`; empty if it names nothing. `port`:
    the one whose protocol Servers may have made opaque."""
    if ref is None:
        return {}
    objects = context.objects
    found: Json = {"kind": ref.kind}
    key = Key(ref.namespace or namespace, ref.name)
    if ref.kind == Kind.POD.value:
        found |= reference_in(objects.pods, key)
        if (pod := objects.pods.get(key)) is not None:
            found |= _about_pod(context, pod, port)
    elif ref.kind == Kind.EXTERNAL_WORKLOAD.value:
        key = Key(namespace, ref.name)
        found |= reference_in(objects.workloads, key)
        if (workload := objects.workloads.get(key)) is not None:
            found["opaque_by_servers"] = opaque_by(context, workload, port)
    else:
        found |= {"namespace": key.namespace, "name": key.name}
    return found


def _about_pod(context: Context, pod: Pod, port: int | None) -> Json:
    kind, name = owner_of(pod, context.objects)
    return {
        "node": pod.spec.node_name,
        "phase": pod.status.phase,
        "owner": {"kind": kind, "name": name},
        "opaque_by_servers": opaque_by(context, pod, port),
    }


def opaque_by(context: Context, workload: Pod | ExternalWorkload, port: int | None) -> list[str]:
    """The Servers that make a port of a workload opaque, by name."""
    servers = context.objects.opaque_servers.get(workload.metadata.namespace, {})
    if port is None:
        return []
    return sorted(
        key.name
        for key, server in servers.items()
        if _makes_opaque(context, server, workload, port)
    )


def _makes_opaque(
    context: Context, server: Server, workload: Pod | ExternalWorkload, port: int
) -> bool:
    """Whether the port would be opaque if nothing else than this Server spoke of it."""
    if isinstance(server.spec.port, int) and server.spec.port != port:
        return False
    alone, key = Objects(), server.metadata.key
    alone.opaque_servers = {key.namespace: {key: server}}
    inputs = Inputs(replace(context.mesh, opaque_ports=NO_PORTS), alone, context.complaints)
    metadata = msgspec.structs.replace(workload.metadata, annotations={})
    bare = msgspec.structs.replace(workload, metadata=metadata)
    if isinstance(bare, Pod):
        return port in pod_facts(inputs, bare).opaque
    return port in workload_facts(inputs, bare).opaque


def describe(address: Address) -> Json:
    """How proxies are told to reach an endpoint."""
    identity, hint = address.identity, address.hint
    found: Json = {"labels": dict(address.labels)}
    if identity is not None:
        found["identity"] = identity.name
    if hint is not None:
        found["protocol"] = hint.protocol.value or "detected"
        if hint.inbound_port is not None:
            found["inbound_port"] = hint.inbound_port
    if address.authority:
        found["authority"] = address.authority
    return found


def _owners(objects: Objects, kind: Kind) -> _Keyed:
    return {
        key: {"owner": owner}
        for (owned, key), owner in objects.owners.items()
        if owned == kind.value
    }
