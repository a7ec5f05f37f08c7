"""Where rules send traffic, as proxies are told: balancers, forwards, and backends that fail what
is sent to them and say why."""

from collections.abc import Iterable
from typing import Final

from linkerd.index import Subject
from linkerd.kube.objects import Key
from linkerd.mesh.names import is_dns_label, is_dns_subdomain, service_name
from linkerd.policy import backends as spec
from linkerd.policy.errors import shown
from linkerd.policy.load_bias import LoadBias
from linkerd.policy.references import EGRESS_NETWORK, SERVICE
from services.policy.index.outbound import subjects as on
from services.policy.index.outbound.filing import OutboundTables
from services.policy.index.outbound.targets import Parent
from services.policy.model.outbound import (
    INVALID,
    Backend,
    Balancer,
    Forward,
    ResourceName,
    RouteBackend,
)

_CORE: Final = "core"
_NONE: Final = Backend(INVALID, None)


def resource_of(parent: Parent) -> ResourceName:
    """What a port of a parent is called."""
    return ResourceName(parent.kind.group or _CORE, parent.kind.kind, *parent.key, parent.port)


class Backends:
    """Of the routes and defaults of one parent. `subjects` is added to: whose coming and going
    changes them. `bias` is how clients weigh failures."""

    def __init__(
        self,
        tables: OutboundTables,
        parent: Parent,
        domain: str,
        bias: LoadBias | None,
        subjects: set[Subject],
    ) -> None:
        self._tables = tables
        self._parent = parent
        self._domain = domain
        self._bias = bias
        self._subjects = subjects

    def default(self) -> tuple[RouteBackend, ...]:
        """Where traffic goes that no route sends elsewhere."""
        parent = self._parent
        if parent.kind is EGRESS_NETWORK:
            return (RouteBackend(self._forward()),)
        return (RouteBackend(self._balancer(parent.key, parent.port)),)

    def of(self, known: Iterable[spec.Backend]) -> tuple[RouteBackend, ...]:
        """The backends of a rule. Several of which none has a weight are told as one that fails,
        for proxies cannot choose among such."""
        backends = tuple(map(self._backend, known))
        if len(backends) > 1 and not any(each.weight for each in backends):
            return (RouteBackend(_NONE, failure="no backend has a weight"),)
        return backends

    def _backend(self, known: spec.Backend) -> RouteBackend:
        backend, failure = self._target(known)
        filters = () if failure else known.filters
        return RouteBackend(backend, known.weight, filters, failure)

    def _target(self, known: spec.Backend) -> tuple[Backend, str]:
        """The backend, and why it fails, if it does."""
        if known.fault:
            return _NONE, _printable(f"unsupported backend filter: {known.fault}")
        if known.kind == SERVICE:
            return self._service(known)
        if known.kind == EGRESS_NETWORK:
            return self._egress_network(known)
        group, kind = known.kind.group, known.kind.kind
        return _NONE, _printable(f"unsupported backend type {group} {kind}")

    def _service(self, known: spec.Backend) -> tuple[Backend, str]:
        if known.port is None:
            return _NONE, _printable(f"missing port for backend Service {known.name}")
        self._subjects.add(on.existence(SERVICE, known.namespace, known.name))
        key = Key(known.namespace, known.name)
        if key in self._tables.services:
            return self._balancer(key, known.port), ""
        return _failing(known, known.port), _printable(f"Service not found {known.name}")

    def _egress_network(self, known: spec.Backend) -> tuple[Backend, str]:
        self._subjects.add(on.existence(EGRESS_NETWORK, known.namespace, known.name))
        port = known.port or self._parent.port
        key = Key(known.namespace, known.name)
        if key not in self._tables.egress_networks:
            return _failing(known, port), _printable(f"EgressNetwork not found {known.name}")
        if self._parent.kind != EGRESS_NETWORK:
            problem = "EgressNetwork backends attach to EgressNetwork parents only"
            return _failing(known, port), problem
        if key != self._parent.key:
            problem = (
                "Route with EgressNetwork backend needs to have the same EgressNetwork as a parent"
            )
            return _failing(known, port), problem
        return Backend(_name(known, port), Forward(self._parent.ip, self._parent.port)), ""

    def _forward(self) -> Backend:
        return Backend(resource_of(self._parent), Forward(self._parent.ip, self._parent.port))

    def _balancer(self, key: Key, port: int) -> Backend:
        authority = f"{service_name(key.name, key.namespace, self._domain)}:{port}"
        name = ResourceName(_CORE, SERVICE.kind, *key, port)
        return Backend(name, Balancer(authority, self._bias))


def _name(known: spec.Backend, port: int) -> ResourceName:
    group = known.kind.group or _CORE
    return ResourceName(group, known.kind.kind, known.namespace, known.name, port)


def _failing(known: spec.Backend, port: int) -> Backend:
    """A backend that leads nowhere. Proxies could not write into their metrics a name that no
    object can have."""
    if not is_dns_subdomain(known.name) or not is_dns_label(known.namespace):
        return _NONE
    return Backend(_name(known, port), None)


def _printable(text: str) -> str:
    """A message that may stand in a header, whatever a user wrote."""
    return text if text.isascii() and text.isprintable() and len(text) <= 300 else shown(text)
