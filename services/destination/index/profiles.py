"""Profiles of what a client may connect to: a service's name, or an IP."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace

import msgspec

from linkerd.index import Owner, Subject, TopicView
from linkerd.kube.objects import Key, Service
from linkerd.mesh.addresses import canonical_ip
from linkerd.mesh.labels import OPAQUE_PORTS
from linkerd.mesh.names import is_dns_name, service_name
from linkerd.mesh.ports import PortSet
from linkerd.streams import Told
from services.destination.index import subjects as on
from services.destination.index.context import Context
from services.destination.index.facts import Facts, of_pod
from services.destination.index.holders import ambiguous, holder_of
from services.destination.index.merged import EXTERNAL_NAME
from services.destination.index.objects import Objects
from services.destination.index.opaque_ports import listed_ports
from services.destination.index.pod_facts import PodFacts
from services.destination.index.reach import (
    UnclearProxyError,
    backed_address,
    node_address,
    unhinted,
)
from services.destination.index.splits import split_targets
from services.destination.model.address import Address
from services.destination.model.profile import (
    DEFAULT_TRAFFIC,
    EMPTY_PROFILE,
    Profile,
    ServicePort,
)
from services.destination.model.routes import Traffic

Delta = Callable[[Profile | None, Profile], Told]
"""How the step from one profile to another is told to a reader."""


class ProfileView(TopicView[Profile]):
    """A profile and its topic. Raises AmbiguousIpError."""

    __slots__ = ("_context",)

    def __init__(self, context: Context, owner: Owner, delta: Delta, *key: Hashable) -> None:
        self._context = context
        super().__init__(context.dependencies, owner, delta, *key)


class ServiceProfileView(ProfileView):
    """The profile of a port of a service, for clients of a namespace."""

    __slots__ = ("client", "key", "port")

    def __init__(
        self, context: Context, owner: Owner, delta: Delta, key: Key, port: int, client: str
    ) -> None:
        self.key = key
        self.port = port
        self.client = client
        super().__init__(context, owner, delta, key, port, client)

    def compute(self) -> Profile:
        subjects: set[Subject] = set()
        profile = service_profile(self._context, self.key, self.port, self.client, subjects)
        self._context.dependencies.watch(self, subjects)
        return profile


class WorkloadProfileView(ProfileView):
    """The profile of a port of a pod or ExternalWorkload, or of nobody."""

    __slots__ = ("port",)

    port: int

    def _workload(
        self, ip: str, holder: Subject | None, subjects: set[Subject], behind: int | None = None
    ) -> Profile:
        """What `holder` is at an IP. `behind` is the port of it that the node's port leads to, if
        the IP is its node's."""
        facts = None
        if holder is not None:
            subjects.add(holder)
            facts = self._context.facts.at(holder)
        if facts is None:
            return Profile(opaque=self.port in self._context.mesh.opaque_ports)
        opaque = (self.port if behind is None else behind) in facts.opaque
        return Profile(opaque=opaque, endpoint=self._endpoint(ip, facts, behind))

    def _endpoint(self, ip: str, facts: Facts, behind: int | None) -> Address:
        if isinstance(facts, PodFacts) and not facts.running:
            return Address(ip, self.port)
        try:
            address = self._address(ip, facts, behind)
        except UnclearProxyError as error:
            problem = f"{error}; clients are told nothing of it"
            self._context.complaints.about(facts.kind, *facts.key, "proxy", problem)
            address = unhinted(facts, ip, self.port)
        namespace, _ = facts.key
        labels = (*address.labels, ("namespace", namespace))
        return msgspec.structs.replace(address, labels=labels)

    def _address(self, ip: str, facts: Facts, behind: int | None) -> Address:
        if behind is not None and isinstance(facts, PodFacts):
            return node_address(self._context.mesh, facts, ip, self.port, behind)
        return backed_address(self._context.mesh, facts, ip, self.port)


class SocketProfileView(WorkloadProfileView):
    """The profile of an IP and port, for clients of a namespace: of whichever service, pod or
    ExternalWorkload has it at the time."""

    __slots__ = ("client", "ip")

    def __init__(
        self, context: Context, owner: Owner, delta: Delta, ip: str, port: int, client: str
    ) -> None:
        self.ip = ip
        self.port = port
        self.client = client
        super().__init__(context, owner, delta, ip, port, client)

    def compute(self) -> Profile:
        subjects: set[Subject] = {on.ip(self.ip), on.socket(self.ip, self.port)}
        try:
            return self._service(subjects) or self._of_holder(subjects)
        finally:
            self._context.dependencies.watch(self, subjects)

    def _service(self, subjects: set[Subject]) -> Profile | None:
        keys = self._context.objects.services_by_ip.get(self.ip, ())
        if len(keys) > 1:
            raise ambiguous(self.ip, "services", keys)
        if not keys:
            return None
        return service_profile(self._context, keys[0], self.port, self.client, subjects)

    def _of_holder(self, subjects: set[Subject]) -> Profile:
        holder = holder_of(self._context.objects, (self.ip, self.port), subjects)
        if holder is None:
            return self._workload(self.ip, None, subjects)
        return self._workload(self.ip, holder.facts, subjects, holder.behind)


class InstanceProfileView(WorkloadProfileView):
    """The profile of the pod that a service knows by a hostname, wherever it is at the time."""

    __slots__ = ("hostname", "key")

    def __init__(
        self, context: Context, owner: Owner, delta: Delta, key: Key, hostname: str, port: int
    ) -> None:
        self.key = key
        self.hostname = hostname
        self.port = port
        super().__init__(context, owner, delta, key, hostname, port)

    def compute(self) -> Profile:
        subjects: set[Subject] = {on.instance(*self.key, self.hostname)}
        pod, ip = instance(self._context.objects, self.key, self.hostname)
        if pod is not None:
            subjects.add(on.pod(*pod))
        try:
            return self._workload(ip or "", of_pod(pod) if pod and ip else None, subjects)
        finally:
            self._context.dependencies.watch(self, subjects)


def instance(objects: Objects, key: Key, hostname: str) -> tuple[Key | None, str | None]:
    """The pod that a service knows by `hostname`, and its IP once it has one."""
    name = objects.instance(key, hostname)
    pod = objects.pods.get(name) if name is not None else None
    if pod is None or pod.terminal or not pod.status.ips:
        return name, None
    return name, canonical_ip(pod.status.ips[0])


def service_profile(
    context: Context, key: Key, port: int, client: str, subjects: set[Subject]
) -> Profile:
    """The profile of a port of a service for clients of the namespace `client`; adds what it came
    from to `subjects`. A service that is gone keeps its name and loses what it said of itself."""
    subjects.add(on.service(*key))
    service = context.objects.services.get(key)
    if service is not None and (service.spec.type == EXTERNAL_NAME or not declares(service, port)):
        return EMPTY_PROFILE
    name = service_name(key.name, key.namespace, context.mesh.cluster_domain)
    return Profile(
        name=name if is_dns_name(name) else "",
        service=ServicePort(key.namespace, key.name, port),
        opaque=port in _opaque_ports(context, service),
        traffic=_traffic(context, key, name, client, subjects),
    )


def _traffic(context: Context, key: Key, name: str, client: str, subjects: set[Subject]) -> Traffic:
    """What the ServiceProfile says; and where traffic goes, if that leaves it open, a
    TrafficSplit."""
    traffic = _profiled(context, name, (client, key.namespace), subjects)
    if traffic.targets:
        return traffic
    subjects.add(on.splits(*key))
    targets = split_targets(context, key)
    return replace(traffic, targets=targets) if targets else traffic


def _profiled(
    context: Context, name: str, namespaces: Iterable[str], subjects: set[Subject]
) -> Traffic:
    """What the ServiceProfile of that name says, in the first of the namespaces that has one."""
    for namespace in namespaces:
        if namespace:
            subjects.add(on.profile(namespace, name))
            found = context.profiles.of(Key(namespace, name))
            if found is not None:
                return found
    return DEFAULT_TRAFFIC


def declares(service: Service, port: int) -> bool:
    """Whether the service has this port."""
    return any(item.port == port for item in service.spec.ports)


def _opaque_ports(context: Context, service: Service | None) -> PortSet:
    if service is None:
        return context.mesh.opaque_ports
    names = tuple((item.name, item.port) for item in service.spec.ports if item.name)
    listed = listed_ports(context.complaints, "Service", service.metadata, OPAQUE_PORTS, names)
    return context.mesh.opaque_ports if listed is None else listed
