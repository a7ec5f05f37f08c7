"""Why each endpoint of an origin is or is not among those that an audience is told of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from linkerd.kube.objects import Endpoint, EndpointSlice, Key, Service
from linkerd.mesh.addresses import Socket
from linkerd.mesh.ports import MAX_PORT
from services.destination.index.audiences import Addresses, Filter, Step
from services.destination.index.context import Context
from services.destination.index.merged import EXTERNAL_NAME, port_name
from services.destination.index.parts import PortName, SlicePart
from services.destination.model.address import Address

UNEXPLAINED: Final = "this program does not know why"
"""Never said, or a test fails."""


@dataclass(slots=True)
class Outcome:
    """What became of an address of an endpoint (or of the endpoint, if it became no address);
    `why` is empty if streams are told of it."""

    address: Address | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Traced:
    """An endpoint and what became of it; never nothing."""

    endpoint: Endpoint
    outcomes: Sequence[Outcome]


@dataclass(frozen=True, slots=True)
class TracedSlice:
    """A slice, and the rank by which it wins over others that have the same socket."""

    slice: EndpointSlice
    rank: tuple[int, str]
    endpoints: Sequence[Traced]


class _Recording(SlicePart):
    """A part that remembers why it left endpoints out."""

    __slots__ = ("reasons",)

    def __init__(self, context: Context, port: int) -> None:
        super().__init__(context, port, lambda: None)
        self.reasons: list[str] = []

    def leave_out(self, endpoint: Endpoint, why: str) -> None:
        self.reasons.append(why)


def trace(context: Context, key: Key, port: int, only: Filter) -> list[TracedSlice]:
    """The slices of a service by rank, the one that wins last, and what became of each endpoint
    for those who ask for `port` and see what passes `only`."""
    service = context.objects.services.get(key)
    wanted = port_name(service, port)
    external = service is not None and service.spec.type == EXTERNAL_NAME
    found = [
        _trace_slice(context, now, port, wanted)
        for now in context.objects.slices_of.get(key, {}).values()
    ]
    found.sort(key=lambda item: item.rank)
    if external or service is None:
        _leave_all(found, service)
    else:
        _hold_back(only, _merge(found))
    return found


def outcomes(slices: Sequence[TracedSlice]) -> Iterator[Outcome]:
    """Those of all endpoints."""
    for item in slices:
        for traced in item.endpoints:
            yield from traced.outcomes


def _trace_slice(context: Context, now: EndpointSlice, port: int, wanted: PortName) -> TracedSlice:
    part = _Recording(context, port)
    traced = []
    try:
        part.update(msgspec.structs.replace(now, endpoints=()), wanted)
        for endpoint in now.endpoints:  # one by one, which tells whose addresses are whose
            part.reasons = []
            part.close()
            part.update(msgspec.structs.replace(now, endpoints=(endpoint,)), wanted)
            traced.append(Traced(endpoint, _outcomes(now, wanted, endpoint, part)))
    finally:
        part.close()
    return TracedSlice(now, part.rank, traced)


def _outcomes(
    now: EndpointSlice, wanted: PortName, endpoint: Endpoint, part: _Recording
) -> list[Outcome]:
    made = [Outcome(address) for address in part.addresses.values()]
    made += [Outcome(None, why) for why in part.reasons]
    return made or [Outcome(None, _nothing(now, wanted, endpoint))]


def _nothing(now: EndpointSlice, wanted: PortName, endpoint: Endpoint) -> str:
    """Why an endpoint that nothing else is wrong with gives no address."""
    there = ", ".join(f"{port.name!r} ({port.port})" for port in now.ports[:20])
    if not now.ports:
        return f"port {wanted!r} is wanted, and the slice has no ports"
    number = next((port.port for port in now.ports if port.name == wanted), None)
    if isinstance(wanted, str):
        if number is None:
            return f"port {wanted!r} is wanted, and the slice has: {there}"
        if not 0 < number <= MAX_PORT:
            return f"port {wanted!r} of the slice is {number}, which is no port"
    return UNEXPLAINED if endpoint.addresses else "it has no address"


def _leave_all(found: Sequence[TracedSlice], service: Service | None) -> None:
    why = "there is no such service" if service is None else "the service is of type ExternalName"
    for outcome in outcomes(found):
        outcome.why = outcome.why or why


def _merge(found: Sequence[TracedSlice]) -> dict[Socket, Outcome]:
    """The address that counts for each socket; the others are told why they do not."""
    merged: dict[Socket, tuple[Outcome, str]] = {}
    for item in reversed(found):
        name = item.slice.metadata.name
        for traced in reversed(item.endpoints):
            for outcome in reversed(traced.outcomes):
                if outcome.address is None:
                    continue
                winner = merged.setdefault(outcome.address.socket, (outcome, name))
                if winner[0] is not outcome:
                    newer = f"slice {winner[1]}, which is newer,"
                    by = newer if winner[1] != name else "a later endpoint of the slice"
                    outcome.why = f"overshadowed: {by} has the same socket"
    return {at: outcome for at, (outcome, _) in merged.items()}


def _hold_back(only: Filter, merged: Mapping[Socket, Outcome]) -> None:
    before: Addresses = {at: o.address for at, o in merged.items() if o.address is not None}
    for step, now in only.steps(before):
        for at in before.keys() - now.keys():
            merged[at].why = _words(step, only, before[at])
        before = now


def _words(step: Step, only: Filter, address: Address) -> str:
    match step:
        case Step.HOSTNAME:
            return f"its hostname is {address.hostname!r}, and {only.hostname!r} is asked for"
        case Step.NODE:
            where = f"node {address.node}" if address.node else "no node that is known"
            return f"internalTrafficPolicy is Local: it is on {where}, the client on {only.node!r}"
        case Step.ZONE:
            hints = ", ".join(sorted(address.zone_hints))
            return f"its zone hints are for {hints}, and the client is in zone {only.zone!r}"
        case Step.FAMILY:
            if not only.ipv6:
                return "it is an IPv6 address of a pod, and IPv6 is off"
            return "its pod has an IPv6 address too, which goes before"
