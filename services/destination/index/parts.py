"""A slice's share of a port's endpoints."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from linkerd.kube.objects import Endpoint, EndpointSlice, Key
from linkerd.labels import REMOTE_GATEWAY_IDENTITY, REMOTE_SERVICE_FQ_NAME
from services.destination.index import dependencies as on
from services.destination.index.addresses import (
    NOWHERE,
    Place,
    UnclearProxyError,
    bare_address,
    pod_address,
)
from services.destination.index.context import Context
from services.destination.index.dependencies import NOTHING, Dependent, Subject
from services.destination.index.facts import PodFacts
from services.destination.model.address import Address, Socket
from services.destination.model.ip import canonical_ip

PortName = str | int
"""What to look for in a slice: the name of a service's port, or a number as it is."""

_MAX_PORT: Final = 65535
_NOBODY: Final[Subject] = ()


class _Made(NamedTuple):
    """What an endpoint was made into, and from what."""

    endpoint: Endpoint
    pod: Key | None
    subject: Subject
    facts: PodFacts | None
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class _Terms:
    """What all endpoints of a slice have in common."""

    port: int
    gateway: str
    authority: str


class SlicePart(Dependent):
    """The endpoints of one slice for one port of its service, and the rank by which a slice wins
    over others that list the same socket: the newer one does.

    Endpoints that did not change keep their very objects through recomputations.
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
        made_now, facts_of = self._made, self._context.facts.of
        subjects: set[Subject] = set()
        addresses: list[Address] = []
        for endpoint in now.endpoints:
            if endpoint.conditions.ready is False:
                continue
            made = before.get(endpoint.addresses)
            if (
                made is None
                or made.endpoint != endpoint
                or (made.pod is not None and facts_of(made.pod) is not made.facts)
            ):
                made = self._begin(now, terms, endpoint)
            made_now[endpoint.addresses] = made
            subjects.add(made.subject)
            addresses += made.addresses
        subjects.discard(_NOBODY)
        self._context.dependencies.watch(self, subjects)
        return addresses

    def _begin(self, now: EndpointSlice, terms: _Terms, endpoint: Endpoint) -> _Made:
        target = endpoint.target_ref
        if target is None or target.kind != "Pod":
            addresses = tuple(self._make(now, terms, endpoint, None))
            return _Made(endpoint, None, _NOBODY, None, addresses)
        pod = Key(target.namespace or now.metadata.namespace, target.name)
        facts = self._context.facts.of(pod)
        addresses = tuple(self._make(now, terms, endpoint, facts))
        return _Made(endpoint, pod, on.facts(*pod), facts, addresses)

    def _make(
        self, now: EndpointSlice, terms: _Terms, endpoint: Endpoint, facts: PodFacts | None
    ) -> Iterator[Address]:
        place = _place(endpoint)
        if facts is not None:
            # Kubernetes gives addresses after the first no meaning.
            for ip in self._ips(now, endpoint.addresses[:1]):
                yield from self._pod(facts, ip, terms.port, place)
        elif endpoint.target_ref is None:
            for ip in self._ips(now, endpoint.addresses):
                yield self._bare(ip, terms, place)

    def _pod(self, facts: PodFacts, ip: str, port: int, place: Place) -> Iterator[Address]:
        try:
            yield pod_address(self._context.mesh, facts, ip, port, place)
        except UnclearProxyError as error:
            problem = f"{error}; clients are not sent to the pod"
            self._context.complaints.about("Pod", *facts.key, "proxy", problem)

    def _bare(self, ip: str, terms: _Terms, place: Place) -> Address:
        mesh, gateway, authority = self._context.mesh, terms.gateway, terms.authority
        return bare_address(mesh, ip, terms.port, place, gateway=gateway, authority=authority)

    def _ips(self, now: EndpointSlice, texts: tuple[str, ...]) -> Iterator[str]:
        for text in texts:
            ip = canonical_ip(text)
            if ip is not None:
                yield ip
            else:
                self._complain(now, "addresses", f"{text[:100]!r} is not an IP; skipped")

    def _terms_of(self, now: EndpointSlice, wanted: PortName) -> _Terms | None:
        port = self._port(now, wanted)
        if port is None:
            return None
        annotations = now.metadata.annotations
        gateway = annotations.get(REMOTE_GATEWAY_IDENTITY, "")
        remote = annotations.get(REMOTE_SERVICE_FQ_NAME)
        return _Terms(port, gateway, f"{remote}:{self._requested}" if remote else "")

    def _port(self, now: EndpointSlice, wanted: PortName) -> int | None:
        if not now.ports:
            if now.endpoints:
                self._complain(now, "ports", "there are none; its endpoints are left out")
            return None
        if isinstance(wanted, int):
            return wanted
        number = next((port.port for port in now.ports if port.name == wanted), None)
        if number is not None and not 0 < number <= _MAX_PORT:
            self._complain(now, "ports", f"{number} is no port; its endpoints are left out")
            return None
        return number

    def _complain(self, now: EndpointSlice, part: str, problem: str) -> None:
        self._context.complaints.about("EndpointSlice", *now.metadata.key, part, problem)


def _place(endpoint: Endpoint) -> Place:
    zones = endpoint.hints.for_zones if endpoint.hints is not None else ()
    if not (endpoint.zone or zones or endpoint.hostname):
        return NOWHERE
    hints = frozenset(zone.name for zone in zones)
    return Place(endpoint.zone or "", hints, endpoint.hostname or "")


def _rank(now: EndpointSlice) -> tuple[int, str]:
    version = now.metadata.resource_version
    return int(version) if version.isdecimal() else 0, now.metadata.name
