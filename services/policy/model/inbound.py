"""What a proxy is told of a port that it accepts connections on."""

from dataclasses import dataclass, field
from typing import Final

from linkerd.policy.authorizations import Authorization
from linkerd.policy.filters import Filter
from linkerd.policy.hosts import HostMatch
from linkerd.policy.matches import GrpcMatch, HttpMatch
from linkerd.policy.rate_limits import RateLimit
from linkerd.policy.servers import ProxyProtocol

_DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a part of a policy came from: an object of the port's namespace, or a default, which has
    a name and no group."""

    group: str
    kind: str
    name: str

    @classmethod
    def default(cls, name: str) -> "Origin":
        """No object, but a default of that name."""
        return cls("", _DEFAULT, name)

    @property
    def is_default(self) -> bool:
        """Whether no object stands behind it."""
        return self.kind == _DEFAULT and not self.group


@dataclass(frozen=True, slots=True)
class Authz:
    """Clients that are let in."""

    origin: Origin
    authorization: Authorization


@dataclass(frozen=True, slots=True)
class HttpRule:
    """Requests that meet one of the matches, or all if there are none, and what is done to them."""

    matches: tuple[HttpMatch, ...] = ()
    filters: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class GrpcRule:
    """Calls that meet one of the matches, or all if there are none, and what is done to them."""

    matches: tuple[GrpcMatch, ...] = ()
    filters: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class HttpRoute:
    """Requests that are served, of those whom the port lets in or the route. `memo` has the route
    as it was encoded first."""

    origin: Origin
    hosts: tuple[HostMatch, ...] = ()
    authorizations: tuple[Authz, ...] = ()
    rules: tuple[HttpRule, ...] = ()
    memo: list[bytes] = field(default_factory=list, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class GrpcRoute:
    """Calls that are served, of those whom the port lets in or the route. `memo` has the route as
    it was encoded first."""

    origin: Origin
    hosts: tuple[HostMatch, ...] = ()
    authorizations: tuple[Authz, ...] = ()
    rules: tuple[GrpcRule, ...] = ()
    memo: list[bytes] = field(default_factory=list, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Limits:
    """How often the port may be called."""

    origin: Origin
    rates: RateLimit


@dataclass(frozen=True, slots=True)
class Port:
    """How a port treats its clients. Which of the routes count depends on the protocol, and none do
    where proxies see no requests."""

    origin: Origin
    protocol: ProxyProtocol
    authorizations: tuple[Authz, ...] = ()
    http_routes: tuple[HttpRoute, ...] = ()
    grpc_routes: tuple[GrpcRoute, ...] = ()
    limits: Limits | None = None
