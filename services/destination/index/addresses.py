"""How proxies reach a port: of a pod, or of an IP that no pod of this cluster has."""

from dataclasses import dataclass
from typing import Final

from services.destination.index.facts import PodFacts
from services.destination.model.address import Address, Protocol, ProtocolHint, TlsIdentity
from services.destination.model.mesh import Mesh

_H2: Final = ProtocolHint(Protocol.H2)


class UnclearProxyError(Exception):
    """The pod is meshed, but its proxy's ports cannot be read from it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an endpoint is, and for whom: what an endpoint slice says beyond the pod."""

    zone: str = ""
    zone_hints: frozenset[str] = frozenset()
    hostname: str = ""


NOWHERE: Final = Place()


def pod_address(mesh: Mesh, facts: PodFacts, ip: str, port: int, place: Place = NOWHERE) -> Address:
    """A port of a pod. Raises UnclearProxyError; `unhinted` makes an address all the same."""
    if not facts.meshed or port in facts.skipped:
        return unhinted(facts, ip, port, place)
    return unhinted(facts, ip, port, place, _hint(mesh, facts, port))


def unhinted(
    facts: PodFacts, ip: str, port: int, place: Place = NOWHERE, hint: ProtocolHint | None = None
) -> Address:
    """A port of a pod, without a word about its proxy's ports unless a hint is given."""
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


def bare_address(
    mesh: Mesh, ip: str, port: int, place: Place, *, gateway: str = "", authority: str = ""
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


def _hint(mesh: Mesh, facts: PodFacts, port: int) -> ProtocolHint:
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
