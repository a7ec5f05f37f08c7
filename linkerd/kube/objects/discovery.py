"""EndpointSlices, and Endpoints, their forerunner: who answers for a Service."""

from typing import Final

import msgspec
from msgspec.structs import force_setattr

from linkerd.kube.objects.meta import ObjectMeta
from linkerd.kube.objects.pool import STRINGS, Pool

_POD: Final = "Pod"


class EndpointConditions(msgspec.Struct, frozen=True, gc=False):
    """None means that nobody has said; an endpoint counts as ready then."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class TargetRef(msgspec.Struct, frozen=True, gc=False):
    """The Pod or ExternalWorkload behind an endpoint. Pods' uids, which nobody asks for, are not
    kept."""

    kind: str = ""
    name: str = ""
    namespace: str = ""
    uid: str = ""

    def __post_init__(self) -> None:
        force_setattr(self, "namespace", STRINGS.share(self.namespace))
        if self.kind == _POD:
            force_setattr(self, "kind", _POD)
            force_setattr(self, "uid", "")


class ForZone(msgspec.Struct, frozen=True, gc=False):
    """A zone whose clients should use this endpoint."""

    name: str


class EndpointHints(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Topology hints."""

    for_zones: tuple[ForZone, ...] = ()


_CONDITIONS: Final[Pool[EndpointConditions]] = Pool()
_HINTS: Final[Pool[EndpointHints]] = Pool()


class Endpoint(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One endpoint, usually one address of one pod."""

    addresses: tuple[str, ...]
    conditions: EndpointConditions = EndpointConditions()
    hostname: str | None = None
    node_name: str | None = None
    zone: str | None = None
    target_ref: TargetRef | None = None
    hints: EndpointHints | None = None

    def __post_init__(self) -> None:
        force_setattr(self, "conditions", _CONDITIONS.share(self.conditions))
        if self.node_name is not None:
            force_setattr(self, "node_name", STRINGS.share(self.node_name))
        if self.zone is not None:
            force_setattr(self, "zone", STRINGS.share(self.zone))
        if self.hints is not None:
            force_setattr(self, "hints", _HINTS.share(self.hints))


class EndpointPort(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A port of all endpoints of the slice; a null number means "all ports"."""

    name: str = ""
    port: int | None = None
    protocol: str = "TCP"
    app_protocol: str | None = None


_PORTS: Final[Pool[tuple[EndpointPort, ...]]] = Pool()


class EndpointSlice(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A part of a Service's endpoints, all of one address family and one list of ports."""

    metadata: ObjectMeta
    address_type: str = ""
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[EndpointPort, ...] = ()

    def __post_init__(self) -> None:
        force_setattr(self, "address_type", STRINGS.share(self.address_type))
        force_setattr(self, "ports", _PORTS.share(self.ports))


class EndpointAddress(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """An address in an Endpoints object."""

    ip: str
    hostname: str | None = None
    node_name: str | None = None
    target_ref: TargetRef | None = None

    def __post_init__(self) -> None:
        if self.node_name is not None:
            force_setattr(self, "node_name", STRINGS.share(self.node_name))


class EndpointSubset(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Addresses with one list of ports. Those that are not ready are not read."""

    addresses: tuple[EndpointAddress, ...] = ()
    ports: tuple[EndpointPort, ...] = ()

    def __post_init__(self) -> None:
        force_setattr(self, "ports", _PORTS.share(self.ports))


class Endpoints(msgspec.Struct, frozen=True, gc=False):
    """All endpoints of the Service of the same name."""

    metadata: ObjectMeta
    subsets: tuple[EndpointSubset, ...] = ()
