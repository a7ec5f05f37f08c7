"""A slice's share of a port's endpoints."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from linkerd.index import NOTHING, Dependent, Subject
from linkerd.kube.objects import Endpoint, EndpointSlice, Key, TargetRef
from linkerd.mesh.addresses import Socket, canonical_ip
from linkerd.mesh.labels import REMOTE_GATEWAY_IDENTITY, REMOTE_SERVICE_FQ_NAME
from linkerd.mesh.metric_labels import label_value
from linkerd.mesh.names import is_dns_name
from linkerd.mesh.ports import MAX_PORT
from services.destination.index.context import Context
from services.destination.index.facts import Facts, of_pod, of_workload
from services.destination.index.filing import SUBSET_MARK
from services.destination.index.pod_facts import PodFacts
from services.destination.index.reach import (
    NOWHERE,
    Place,
    UnclearProxyError,
    backed_address,
    bare_address,
)
from services.destination.index.workload_facts import WorkloadFacts
from services.destination.model.address import NO_HINTS, Address

PortName = str | int
"""What to look for in a slice: the name of a service's port, or a number as it is."""

_NOBODY: Final[Subject] = ()


class _Made(msgspec.Struct, frozen=True, gc=False):
    """What an endpoint was made into, and from what."""

    endpoint: Endpoint
    target: Subject
    facts: Facts | None
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class _Terms:
    """What all endpoints of a slice have in common. `problem` is why those without a target cannot
    be reached, if they cannot."""

    port: int
    of_slice: bool  # not of Endpoints, which name no ExternalWorkloads
    gateway: str
    authority: str
    problem: str


class SlicePart(Dependent):
    """The endpoints of one slice for one port of its service, and the rank by which a slice wins
    over others that list the same socket: the newer one does.

    Endpoints that did not change keep their very objects through recomputations. `leave_out` is
    called of each endpoint that became no address, or of each address of it that did not.
    """

    __slots__ = (
        "_context",
        "_made",
        "_outdated",
        "_requested",
        "_slice",
        "_terms",
        "_touched",
        "_wanted",
        "addresses",
        "rank",
    )

    def __init__(self, context: Context, requested: int, touched: Callable[[], None]) -> None:
        super().__init__()
        self._context = context
        self._requested = requested  # the port as clients ask for it
        self._touched = touched
        self._slice: EndpointSlice | None = None
        self._wanted: PortName = ""
        self._terms: _Terms | None = None
        self._made: dict[tuple[str, ...], _Made] = {}
        self._outdated = False
        self.addresses: dict[Socket, Address] = {}
        self.rank = (0, "")

    def touch(self) -> None:
        self._outdated = True
        self._touched()

    def leave_out(self, endpoint: Endpoint, why: str) -> None:
        """For those who look in, who override it."""

    def update(self, now: EndpointSlice, wanted: PortName) -> set[Socket]:
        """Takes in the slice as it is now; the sockets where something changed."""
        if now is self._slice and wanted == self._wanted and not self._outdated:
            return set()
        self._slice, self._wanted, self._outdated = now, wanted, False
        self.rank = _rank(now)
        terms = self._terms_of(now, wanted)
        if terms != self._terms:
            self._terms, self._made = terms, {}
        return self._replace(self._endpoints(now, terms) if terms is not None else self._nothing())

    def close(self) -> set[Socket]:
        """The slice is gone, or nobody asks any more; the sockets that it had."""
        self._slice, self._made = None, {}
        self._context.dependencies.watch(self, NOTHING)
        return self._replace(())

    def _replace(self, addresses: Iterable[Address]) -> set[Socket]:
        before, now = self.addresses, dict[Socket, Address]()
        changed = set()
        for address in addresses:
            socket = address.socket
            old = before.get(socket)
            if old is None or (old is not address and old != address):
                changed.add(socket)
                now[socket] = address
            else:
                now[socket] = old
        changed.update(before.keys() - now.keys())
        self.addresses = now
        return changed

    def _nothing(self) -> tuple[Address, ...]:
        self._made = {}
        self._context.dependencies.watch(self, NOTHING)
        return ()

    def _endpoints(self, now: EndpointSlice, terms: _Terms) -> list[Address]:
        before, self._made = self._made, {}
        made_now, facts_at = self._made, self._context.facts.at
        subjects: set[Subject] = set()
        addresses: list[Address] = []
        for endpoint in now.endpoints:
            if endpoint.conditions.ready is False:
                self.leave_out(endpoint, "it is not ready")
                continue
            made = before.get(endpoint.addresses)
            if (
                made is None
                or made.endpoint != endpoint
                or (made.target and facts_at(made.target) is not made.facts)
            ):
                made = self._begin(now, terms, endpoint)
            made_now[endpoint.addresses] = made
            subjects.add(made.target)
            addresses += made.addresses
        subjects.discard(_NOBODY)
        self._context.dependencies.watch(self, subjects)
        return addresses

    def _begin(self, now: EndpointSlice, terms: _Terms, endpoint: Endpoint) -> _Made:
        target = _target(now, endpoint)
        facts = self._context.facts.at(target) if target else None
        return _Made(endpoint, target, facts, tuple(self._make(now, terms, endpoint, facts)))

    def _make(
        self, now: EndpointSlice, terms: _Terms, endpoint: Endpoint, facts: Facts | None
    ) -> Iterator[Address]:
        place = _place(endpoint)
        if facts is not None:
            # Kubernetes gives addresses after the first no meaning.
            for ip in self._ips(now, endpoint, endpoint.addresses[:1]):
                yield from self._backed(facts, ip, terms.port, endpoint, place)
        elif endpoint.target_ref is not None:
            self.leave_out(endpoint, _nobody(now, endpoint.target_ref))
        elif terms.problem:
            self.leave_out(endpoint, terms.problem)
        else:
            for ip in self._ips(now, endpoint, endpoint.addresses):
                yield self._bare(ip, terms, place)

    def _backed(
        self, facts: Facts, ip: str, port: int, endpoint: Endpoint, place: Place
    ) -> Iterator[Address]:
        try:
            yield backed_address(self._context.mesh, facts, ip, port, place)
        except UnclearProxyError as error:
            problem = f"{error}; clients are not sent there"
            self._context.complaints.about(facts.kind, *facts.key, "proxy", problem)
            self.leave_out(endpoint, str(error))

    def _bare(self, ip: str, terms: _Terms, place: Place) -> Address:
        mesh, gateway, authority = self._context.mesh, terms.gateway, terms.authority
        return bare_address(mesh, ip, terms.port, place, gateway=gateway, authority=authority)

    def _ips(self, now: EndpointSlice, endpoint: Endpoint, texts: tuple[str, ...]) -> Iterator[str]:
        for text in texts:
            ip = canonical_ip(text)
            if ip is not None:
                yield ip
            else:
                self._complain(now, "addresses", f"{text[:100]!r} is not an IP; skipped")
                self.leave_out(endpoint, f"{text[:100]!r} is not an IP")

    def _terms_of(self, now: EndpointSlice, wanted: PortName) -> _Terms | None:
        port = self._port(now, wanted)
        if port is None:
            return None
        annotations = now.metadata.annotations
        gateway = annotations.get(REMOTE_GATEWAY_IDENTITY, "")
        remote = annotations.get(REMOTE_SERVICE_FQ_NAME, "")
        problem = self._odd_name(now, REMOTE_GATEWAY_IDENTITY, gateway) or self._odd_name(
            now, REMOTE_SERVICE_FQ_NAME, remote
        )
        authority = f"{remote}:{self._requested}" if remote else ""
        return _Terms(port, bool(now.address_type), gateway, authority, problem)

    def _odd_name(self, now: EndpointSlice, annotation: str, name: str) -> str:
        """What is wrong with a name that leads to another cluster. Proxies ignore names that are
        none, and would speak to the gateway in plain text, or about another service."""
        if not name or is_dns_name(name):
            return ""
        problem = f"{name[:100]!r} is not a DNS name"
        self._complain(now, annotation, f"{problem}; endpoints without a target are left out")
        return f"{annotation}: {problem}"

    def _port(self, now: EndpointSlice, wanted: PortName) -> int | None:
        if not now.ports:
            if now.endpoints:
                self._complain(now, "ports", "there are none; its endpoints are left out")
            return None
        if isinstance(wanted, int):
            return wanted
        number = next((port.port for port in now.ports if port.name == wanted), None)
        if number is not None and not 0 < number <= MAX_PORT:
            self._complain(now, "ports", f"{number} is no port; its endpoints are left out")
            return None
        return number

    def _complain(self, now: EndpointSlice, part: str, problem: str) -> None:
        kind = "EndpointSlice" if now.address_type else "Endpoints"
        name, _, subset = now.metadata.name.partition(SUBSET_MARK)
        where = f"subsets[{subset}].{part}" if subset else part
        self._context.complaints.about(kind, now.metadata.namespace, name, where, problem)


def _target(now: EndpointSlice, endpoint: Endpoint) -> Subject:
    """What stands behind an endpoint, if we know the kind. ExternalWorkloads are those of the
    slice's namespace, and slices are what names them."""
    reference = endpoint.target_ref
    if reference is None:
        return _NOBODY
    if reference.kind == PodFacts.kind:
        return of_pod(Key(reference.namespace or now.metadata.namespace, reference.name))
    if reference.kind == WorkloadFacts.kind and now.address_type:
        return of_workload(Key(now.metadata.namespace, reference.name))
    return _NOBODY


def _place(endpoint: Endpoint) -> Place:
    zones = endpoint.hints.for_zones if endpoint.hints is not None else ()
    if not (endpoint.zone or zones or endpoint.hostname):
        return NOWHERE
    hints = frozenset(zone.name for zone in zones) if zones else NO_HINTS
    return Place(label_value(endpoint.zone or ""), hints, endpoint.hostname or "")


def _nobody(now: EndpointSlice, target: TargetRef) -> str:
    """Why an endpoint has nobody behind it."""
    if target.kind == PodFacts.kind:
        return f"there is no pod {target.namespace or now.metadata.namespace}/{target.name}"
    if target.kind == WorkloadFacts.kind:
        return f"there is no ExternalWorkload {now.metadata.namespace}/{target.name}"
    return f"its targetRef is of kind {target.kind[:100]!r}"


def _rank(now: EndpointSlice) -> tuple[int, str]:
    version = now.metadata.resource_version
    return int(version) if version.isdecimal() else 0, now.metadata.name
