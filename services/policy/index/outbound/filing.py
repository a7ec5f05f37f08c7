"""The objects that outbound answers are made of, filed as these find them."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from linkerd.index import Complaints, Subject, Taker
from linkerd.index.filing import move, put
from linkerd.kube.objects import EgressNetwork, Key, Service
from linkerd.mesh.addresses import canonical_ip
from linkerd.policy.egress_networks import judge_egress_network
from linkerd.policy.references import EGRESS_NETWORK, SERVICE
from services.policy.index.kinds import Kind
from services.policy.index.outbound import subjects as on
from services.policy.index.outbound.egress import EgressAddresses, outside
from services.policy.index.routes import ROUTES, JudgedRoute, RouteKey, Routes, kept
from services.policy.index.tables import Tables
from services.policy.model.mesh_settings import MeshSettings

_OUTBOUND: Final = (SERVICE, EGRESS_NETWORK)


class OutboundTables(Tables):
    """Services and EgressNetworks as they are; what they say is read when somebody asks."""

    def __init__(self, mesh: MeshSettings, complaints: Complaints, routes: Routes) -> None:
        self.services: dict[Key, Service] = {}
        self.services_by_ip: dict[str, tuple[Key, ...]] = {}
        self.egress_networks: dict[Key, EgressNetwork] = {}
        self.egress_addresses: dict[str, dict[Key, EgressAddresses]] = {}  # by namespace
        self.routes: dict[RouteKey, JudgedRoute] = {}
        self.routes_of: dict[Subject, dict[RouteKey, JudgedRoute]] = {}  # as subjects have them
        self._complaints = complaints
        self._judged = routes
        self._outside = outside(mesh.cluster_networks)

    def takers(self) -> Mapping[Kind, Taker]:
        takers: dict[Kind, Taker] = {
            Kind.SERVICE: self._take_service,
            Kind.EGRESS_NETWORK: self._take_egress_network,
        }
        return takers | {kind: self._route_taker(kind) for kind in ROUTES}

    def egress_networks_for(self, source: str, shared: str) -> Mapping[Key, EgressAddresses]:
        """The EgressNetworks that count for a namespace: its own, or, if it has none, those of the
        namespace that is for all."""
        return self.egress_addresses.get(source) or self.egress_addresses.get(shared, {})

    def _take_service(self, key: Key, now: Service | None) -> Iterator[Subject]:
        if now is None:
            self._complaints.forget(Kind.SERVICE.value, *key)
        before = put(self.services, key, now)
        yield on.parent(SERVICE, *key)
        if (before is None) != (now is None):
            yield on.existence(SERVICE, *key)
        if _ports(before) != _ports(now):
            yield on.ports(*key)
        for ip in move(self.services_by_ip, key, _ips(before), _ips(now)):
            yield on.address(ip)

    def _take_egress_network(self, key: Key, now: EgressNetwork | None) -> Iterator[Subject]:
        before = put(self.egress_networks, key, now)
        yield on.parent(EGRESS_NETWORK, *key)
        if (before is None) != (now is None):
            yield on.existence(EGRESS_NETWORK, *key)
        known = self.egress_addresses.setdefault(key.namespace, {})
        addresses = self._addresses(key, now)
        if put(known, key, addresses) != addresses:
            yield on.egress_networks(key.namespace)
        if not known:
            del self.egress_addresses[key.namespace]

    def _addresses(self, key: Key, now: EgressNetwork | None) -> EgressAddresses | None:
        if now is None:
            self._complaints.forget(Kind.EGRESS_NETWORK.value, *key)
            return None
        policy, faults = judge_egress_network(now)
        for fault in faults:
            self._complaints.about(Kind.EGRESS_NETWORK.value, *key, fault.field, fault.problem)
        if now.spec.networks and not policy.networks:
            return None  # one that cannot be read hides none of those that are for all
        networks = self._outside if policy.networks is None else policy.networks
        return EgressAddresses(key, now.metadata.creation_timestamp, networks)

    def _route_taker(self, kind: Kind) -> Taker:
        def take(key: Key, _now: object) -> Iterator[Subject]:
            return self._take_route(RouteKey(kind, key))

        return take

    def _take_route(self, key: RouteKey) -> Iterator[Subject]:
        """Files what `Routes` has just judged."""
        now = self._judged.judged.get(key)
        places = _places(now)
        before = put(self.routes, key, now if places else None)
        if before == now:
            return
        was = _places(before)
        for place in was - places:
            rest = self.routes_of[place]
            del rest[key]
            if not rest:
                del self.routes_of[place]
        if now is not None:
            for place in places:
                self.routes_of.setdefault(place, {})[key] = now
        yield from was | places


def _ips(service: Service | None) -> AbstractSet[str]:
    ips = service.spec.ips if service is not None else ()
    return {ip for text in ips if (ip := canonical_ip(text)) is not None}


def _ports(service: Service | None) -> AbstractSet[int]:
    return {port.port for port in service.spec.ports} if service is not None else frozenset()


def _places(route: JudgedRoute | None) -> AbstractSet[Subject]:
    """Where clients look for it: at the parents that it names, or still stays at."""
    if route is None:
        return frozenset()
    return {
        on.routes(parent.kind, parent.namespace, parent.name, route.key.namespace)
        for parent in (*route.parents, *kept(route))
        if parent.kind in _OUTBOUND
    }
