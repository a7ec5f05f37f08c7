"""Who has an IP and port: the pod whose IP it is, the pod that a port of its node leads to, or an
ExternalWorkload."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from linkerd.index import Subject
from linkerd.kube.objects import ExternalWorkload, Key
from linkerd.mesh.addresses import Socket
from services.destination.index import filing
from services.destination.index import subjects as on
from services.destination.index.errors import AmbiguousIpError
from services.destination.index.facts import of_pod, of_workload
from services.destination.index.objects import Objects
from services.destination.pods import Pod


class Holder(NamedTuple):
    """The subject of a workload's facts. `behind` is the port of the pod that its node's port leads
    to, where the IP is the node's."""

    facts: Subject
    behind: int | None = None


class _Tier(NamedTuple):
    """Workloads of one kind that might have it."""

    kind: str
    keys: Sequence[Key]
    known: Mapping[Key, Pod | ExternalWorkload]
    subject: Callable[[str, str], Subject]
    holder: Callable[[Key], Holder]


def holder_of(objects: Objects, at: Socket, subjects: set[Subject]) -> Holder | None:
    """Who answers at the socket: one that stays, or else the only one that is about to go and so
    still has it. Pods go before ExternalWorkloads. Adds what that came from to `subjects`. Raises
    AmbiguousIpError."""
    tiers = _tiers(objects, at)
    subjects.update(tier.subject(*key) for tier in tiers for key in tier.keys)
    leaving: list[Holder] = []
    for tier in tiers:
        there = [
            key
            for key in tier.keys
            if (item := tier.known.get(key)) is not None and not item.terminal
        ]
        staying = [key for key in there if not tier.known[key].terminating]
        if len(staying) > 1:
            raise ambiguous(at[0], tier.kind, staying)
        if staying:
            return tier.holder(staying[0])
        leaving += map(tier.holder, there)
    return leaving[0] if len(leaving) == 1 else None


def ambiguous(ip: str, kind: str, keys: Sequence[Key]) -> AmbiguousIpError:
    """Several objects have an IP."""
    names = ", ".join(f"{key.namespace}/{key.name}" for key in keys[:2])
    return AmbiguousIpError(f"path: {ip} is the IP of several {kind} at the moment: {names}")


def _tiers(objects: Objects, at: Socket) -> tuple[_Tier, ...]:
    own = objects.pods_by_ip.get(at[0], ())
    nodes = objects.pods_by_socket.get(at, ())
    workloads = objects.workloads_by_socket.get(at, ())

    def behind(key: Key) -> Holder:
        return Holder(of_pod(key), filing.host_ports(objects.pods[key])[at])

    return (
        _Tier("pods", own, objects.pods, on.pod, lambda key: Holder(of_pod(key))),
        _Tier("pods", nodes, objects.pods, on.pod, behind),
        _Tier(
            *("workloads", workloads, objects.workloads, on.workload),
            lambda key: Holder(of_workload(key)),
        ),
    )
