"""What `GetProfile` says to a client, and the objects that it says it because of."""

from collections.abc import Iterator
from typing import Any, Final

from google.protobuf.json_format import MessageToDict

from linkerd.kube.objects import ExternalWorkload, Key, Pod, ServiceProfile
from linkerd.labels import OPAQUE_PORTS
from linkerd.streams import Subscription, drain
from linkerd.stubs.proxy import destination_pb2 as pb
from services.destination.debug.objects import Json, opaque_by, reference, reference_in
from services.destination.index import Index, WatchError
from services.destination.index.context import Context
from services.destination.index.profiles import declares, instance
from services.destination.index.translation import ProfileError, translate
from services.destination.model.authority import IpTarget, ServiceTarget, Target

_STAYS: Final = "stays"
_LEAVES: Final = "is about to go"
_ENDED: Final = "has ended"


def page(index: Index, authority: str, target: Target, client: str) -> Json:
    """The answer for clients of the namespace `client`, and the objects behind it."""
    home = index.home
    result: Json = {"authority": authority, "client": {"namespace": client}}
    result["answer"] = _answer(index, target, client)
    if isinstance(target, IpTarget):
        services = home.objects.services_by_ip.get(target.ip, ())
        result["services"] = [_service(home, key, target.port) for key in sorted(services)]
        result["holders"] = list(_holders(home, target))
        names = services
    elif target.hostname:
        result["instance"] = _instance(home, target)
        names = ()
    else:
        names = (Key(target.namespace, target.service),)
        result["services"] = [_service(home, names[0], target.port)]
    result["service_profiles"] = [c for key in names for c in _candidates(home, key, client)]
    result["traffic_splits"] = [
        reference(split.metadata)
        for key in names
        for _, split in sorted(home.objects.splits_of.get(key, {}).items())
    ]
    return result


def _answer(index: Index, target: Target, client: str) -> Json:
    try:
        subscription = _follow(index, target, client)
    except WatchError as error:
        return {"error": f"{type(error).__name__}: {error}"}
    try:
        messages = drain(subscription)
    finally:
        subscription.close()
    profile = pb.DestinationProfile.FromString(messages[-1])
    said: Json = MessageToDict(profile, preserving_proto_field_name=True)
    return said


def _follow(index: Index, target: Target, client: str) -> Subscription:
    if isinstance(target, IpTarget):
        return index.watch_socket(target.ip, target.port, client)
    key = Key(target.namespace, target.service)
    if target.hostname:
        return index.watch_instance(key, target.hostname, target.port)
    return index.watch_service(key, target.port, client)


def _service(context: Context, key: Key, port: int) -> Json:
    found = reference_in(context.objects.services, key)
    service = context.objects.services.get(key)
    if service is not None:
        text = service.metadata.annotations.get(OPAQUE_PORTS)
        found |= {
            "type": service.spec.type,
            "declares_port": declares(service, port),
            "opaque_ports": text if text is not None else "the default ones",
        }
    return found


def _candidates(context: Context, key: Key, client: str) -> Iterator[Json]:
    """The ServiceProfiles that could count, the first of which does if it exists."""
    name = f"{key.name}.{key.namespace}.svc.{context.mesh.cluster_domain}"
    chosen = False
    for namespace in dict.fromkeys((client, key.namespace)):
        if not namespace:
            continue
        found = reference_in(context.objects.profiles, Key(namespace, name))
        profile = context.objects.profiles.get(Key(namespace, name))
        found["chosen"] = profile is not None and not chosen
        if profile is None:
            found["why"] = "there is none in this namespace"
        elif chosen:
            found["why"] = "that of the client's namespace goes before"
        else:
            found["why"] = _judge(profile)
        chosen = chosen or profile is not None
        yield found


def _judge(profile: ServiceProfile) -> str:
    left_out: list[str] = []
    try:
        translate(profile, lambda part, problem: left_out.append(f"{part}: {problem}"))
    except ProfileError as error:
        return f"it is the first there is, and counts as if it were empty: {error}"
    return "; ".join(["it is the first there is", *left_out])


def _holders(context: Context, at: IpTarget) -> Iterator[Json]:
    """Who could have the socket, in the order in which they count: of each tier the one that stays,
    or else the only one of all that is about to go."""
    objects, socket = context.objects, (at.ip, at.port)
    for tier, keys, table in (
        ("pod's IP", objects.pods_by_ip.get(at.ip, ()), objects.pods),
        ("port of the pod's node", objects.pods_by_socket.get(socket, ()), objects.pods),
        ("ExternalWorkload", objects.workloads_by_socket.get(socket, ()), objects.workloads),
    ):
        known: Any = table
        for key in sorted(keys):
            yield {"tier": tier} | _holder(context, known.get(key), key, at.port)


def _holder(context: Context, item: Pod | ExternalWorkload | None, key: Key, port: int) -> Json:
    if item is None:
        return {"namespace": key.namespace, "name": key.name, "known": False}
    found = reference(item.metadata)
    found["state"] = _ENDED if item.terminal else _LEAVES if item.terminating else _STAYS
    if isinstance(item, Pod):
        found["phase"] = item.status.phase
    found["opaque_ports"] = item.metadata.annotations.get(OPAQUE_PORTS, "the default ones")
    found["opaque_by_servers"] = opaque_by(context, item, port)
    return found


def _instance(context: Context, target: ServiceTarget) -> Json:
    key = Key(target.namespace, target.service)
    name, ip = instance(context.objects, key, target.hostname)
    found: Json = {"hostname": target.hostname, "ip": ip or ""}
    if name is None:
        return found | {"why": "no slice of the service names a pod by this hostname"}
    return found | _holder(context, context.objects.pods.get(name), name, target.port)
