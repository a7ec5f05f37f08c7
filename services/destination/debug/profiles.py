"""What `GetProfile` says to a client, and the objects that it says it because of.

What was looked at, and who was found, is read off the subjects that the answer depends on.
"""

from collections.abc import Hashable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Final

from google.protobuf.json_format import MessageToDict

from linkerd.index import Subject
from linkerd.kube.objects import ExternalWorkload, Key, ServiceProfile
from linkerd.mesh.authority import IpTarget, ServiceTarget, Target
from linkerd.mesh.labels import OPAQUE_PORTS
from linkerd.mesh.names import service_name
from linkerd.streams import Subscription, drain
from linkerd.stubs.proxy import destination_pb2 as pb
from services.destination.debug.objects import Json, opaque_by, reference, reference_in
from services.destination.index import Index, WatchError, filing
from services.destination.index import subjects as on
from services.destination.index.context import Context
from services.destination.index.facts import of_pod, of_workload
from services.destination.index.profiles import (
    InstanceProfileView,
    ProfileView,
    ServiceProfileView,
    SocketProfileView,
    declares,
    instance,
)
from services.destination.index.splits import age
from services.destination.index.translation import ProfileError, translate
from services.destination.pods import Pod

Subjects = AbstractSet[Subject]
"""What an answer depends on."""

_STAYS: Final = "stays"
_LEAVES: Final = "is about to go"
_ENDED: Final = "has ended"


def page(index: Index, authority: str, target: Target, client: str) -> Json:
    """The answer for clients of the namespace `client`, and the objects behind it."""
    home = index.home
    said, subjects = _answer(index, target, client)
    result: Json = {"authority": authority, "client": {"namespace": client}, "answer": said}
    services: Iterable[Key] = ()
    if isinstance(target, IpTarget):
        services = sorted(home.objects.services_by_ip.get(target.ip, ()))
        result["holders"] = list(_holders(home, target, subjects))
    elif target.hostname:
        result["instance"] = _instance(home, target)
    else:
        services = (Key(target.namespace, target.service),)
    result["services"] = [_service(home, key, target.port) for key in services]
    result["service_profiles"] = [
        found for key in services for found in _candidates(home, key, client, subjects)
    ]
    result["traffic_splits"] = [found for key in services for found in _splits(home, key, subjects)]
    return result


def _answer(index: Index, target: Target, client: str) -> tuple[Json, Subjects]:
    """What a client is told, and what that depends on."""
    try:
        subscription, view = _follow(index, target, client)
    except WatchError as error:
        return {"error": f"{type(error).__name__}: {error}"}, frozenset()
    try:
        messages, found = drain(subscription), index.views.get(view)
        subjects = frozenset(found.subjects if isinstance(found, ProfileView) else ())
    finally:
        subscription.close()
    profile = pb.DestinationProfile.FromString(messages[-1])
    return MessageToDict(profile, preserving_proto_field_name=True), subjects


def _follow(index: Index, target: Target, client: str) -> tuple[Subscription, Hashable]:
    """A stream, and the name of the view that it follows."""
    if isinstance(target, IpTarget):
        ip, port = target.ip, target.port
        return index.watch_socket(ip, port, client), (SocketProfileView, ip, port, client)
    key, port, hostname = Key(target.namespace, target.service), target.port, target.hostname
    if hostname:
        view = (InstanceProfileView, key, hostname, port)
        return index.watch_instance(key, hostname, port), view
    return index.watch_service(key, port, client), (ServiceProfileView, key, port, client)


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


def _candidates(context: Context, key: Key, client: str, subjects: Subjects) -> Iterator[Json]:
    """The ServiceProfiles that could count, those of the client's namespace before ours."""
    name = service_name(key.name, key.namespace, context.mesh.cluster_domain)
    for namespace in dict.fromkeys((client, key.namespace)):
        if namespace:
            profile = context.objects.profiles.get(Key(namespace, name))
            asked = on.profile(namespace, name) in subjects
            found = reference_in(context.objects.profiles, Key(namespace, name))
            found["chosen"] = profile is not None and asked
            found["why"] = _judge(profile, asked)
            yield found


def _judge(profile: ServiceProfile | None, asked: bool) -> str:
    if profile is None:
        return "there is none in this namespace"
    if not asked:
        return "it is not looked for: another goes before, or the port has no profile"
    left_out: list[str] = []
    try:
        translate(profile, lambda part, problem: left_out.append(f"{part}: {problem}"))
    except ProfileError as error:
        return f"it is the first there is, and counts as if it were empty: {error}"
    return "; ".join(["it is the first there is", *left_out])


def _splits(context: Context, key: Key, subjects: Subjects) -> Iterator[Json]:
    """The TrafficSplits of a service, the one that counts first."""
    asked = on.splits(*key) in subjects
    splits = context.objects.splits_of.get(key, {}).values()
    for number, split in enumerate(sorted(splits, key=age)):
        found = reference(split.metadata)
        found["chosen"] = asked and number == 0
        if not asked:
            found["why"] = "it is not looked for: the ServiceProfile says where traffic goes"
        elif number:
            found["why"] = "an older one goes before"
        yield found


def _holders(context: Context, at: IpTarget, subjects: Subjects) -> Iterator[Json]:
    """Who could have the socket, in the order in which they count: of each tier the one that stays,
    or else the only one of all that is about to go."""
    objects, socket = context.objects, (at.ip, at.port)
    for key in sorted(objects.pods_by_ip.get(at.ip, ())):
        found = _holder(context, objects.pods.get(key), key, at.port)
        yield {"tier": "pod's IP", "chosen": of_pod(key) in subjects} | found
    for key in sorted(objects.pods_by_socket.get(socket, ())):
        pod = objects.pods.get(key)
        behind = filing.host_ports(pod).get(socket, at.port)
        found = _holder(context, pod, key, behind) | {"container_port": behind}
        yield {"tier": "port of the pod's node", "chosen": of_pod(key) in subjects} | found
    for key in sorted(objects.workloads_by_socket.get(socket, ())):
        found = _holder(context, objects.workloads.get(key), key, at.port)
        yield {"tier": "ExternalWorkload", "chosen": of_workload(key) in subjects} | found


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
