"""How proxies reach a port: of a pod or ExternalWorkload, or of an IP that none of these has."""

from collections.abc import Set as AbstractSet
from typing import Final

import msgspec
from msgspec.structs import replace

from services.destination.index.facts import Facts
from services.destination.index.pod_facts import PodFacts
from services.destination.index.workload_facts import WorkloadFacts
from services.destination.model.address import (
    NO_HINTS,
    Address,
    Protocol,
    ProtocolHint,
    TlsIdentity,
)
from services.destination.model.mesh_settings import MeshSettings

_H2: Final = ProtocolHint(Protocol.H2)


class UnclearProxyError(Exception):
    """The workload is meshed, but how to reach its proxy cannot be read from it."""


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where an endpoint is, and for whom: what an endpoint slice says beyond the pod."""

    zone: str = ""
    zone_hints: AbstractSet[str] = NO_HINTS
    hostname: str = ""


NOWHERE: Final = Place()


def backed_address(
    mesh: MeshSettings, facts: Facts, ip: str, port: int, place: Place = NOWHERE
) -> Address:
    """A port of a workload. Raises UnclearProxyError; `unhinted` makes an address all the same."""
    if isinstance(facts, WorkloadFacts):
        return _workload_address(mesh, facts, ip, port, place)
    if not facts.meshed or port in facts.skipped:
        return unhinted(facts, ip, port, place)
    return _pod_address(facts, ip, port, place, _hint(mesh, facts, port))


def node_address(mesh: MeshSettings, facts: PodFacts, ip: str, port: int, behind: int) -> Address:
    """A port of a pod's node that leads to the pod's port `behind`. Raises UnclearProxyError.

    Of the node's ports only this one leads to the pod, so its proxy cannot be reached at its own
    port; and on an opaque one it ends no TLS that comes straight to it.
    """
    if behind in facts.opaque:
        return replace(unhinted(facts, ip, port), identity=None)
    address = backed_address(mesh, facts, ip, behind)
    hint = ProtocolHint(address.hint.protocol) if address.hint is not None else None
    return replace(address, port=port, hint=hint)


def unhinted(facts: Facts, ip: str, port: int, place: Place = NOWHERE) -> Address:
    """A port of a workload, without a word about how to reach its proxy."""
    if isinstance(facts, PodFacts):
        return _pod_address(facts, ip, port, place, None)
    return Address(ip, port, labels=(*facts.labels, ("zone", place.zone)))


def _pod_address(
    facts: PodFacts, ip: str, port: int, place: Place, hint: ProtocolHint | None
) -> Address:
    return Address(
        ip,
        port,
        labels=(*facts.labels, ("zone", place.zone)),
        identity=None if port in facts.skipped else facts.identity,
        hint=hint,
        http2=hint is not None,
        zone=place.zone,
        zone_hints=place.zone_hints,
        hostname=place.hostname,
        node=facts.node,
        pod=facts.key,
    )


def _workload_address(
    mesh: MeshSettings, facts: WorkloadFacts, ip: str, port: int, place: Place
) -> Address:
    """There is always a proxy there, and it always speaks HTTP/2."""
    if facts.problem:
        raise UnclearProxyError(facts.problem)
    opaque = port in facts.opaque
    inbound = facts.inbound if opaque or mesh.transport_header else None
    return Address(
        ip,
        port,
        labels=(*facts.labels, ("zone", place.zone)),
        identity=facts.identity,
        hint=ProtocolHint(Protocol.OPAQUE if opaque else Protocol.H2, inbound),
        http2=True,
        zone=place.zone,
        zone_hints=place.zone_hints,
        hostname=place.hostname,
    )


def bare_address(
    mesh: MeshSettings, ip: str, port: int, place: Place, *, gateway: str = "", authority: str = ""
) -> Address:
    """A port of an IP without a pod: with a `gateway` identity it leads into another cluster."""
    return Address(
        ip,
        port,
        identity=TlsIdentity(gateway) if gateway else None,
        hint=_H2 if gateway and mesh.h2_upgrade else None,
        http2=bool(gateway),
        authority=authority,
        zone_hints=place.zone_hints,
        hostname=place.hostname,
    )


def _hint(mesh: MeshSettings, facts: PodFacts, port: int) -> ProtocolHint:
    proxy, opaque = facts.proxy, port in facts.opaque
    if proxy.admin is None or proxy.control is None:
        raise UnclearProxyError(
            "the proxy container's admin or control address is missing or unclear"
        )
    clear = Protocol.H2 if mesh.h2_upgrade else Protocol.DETECT
    protocol = Protocol.OPAQUE if opaque else clear
    if port in (proxy.admin, proxy.control) or not (opaque or mesh.transport_header):
        return ProtocolHint(protocol)
    if proxy.inbound is None:
        raise UnclearProxyError("the proxy container's inbound address is missing or unclear")
    return ProtocolHint(protocol, proxy.inbound)
