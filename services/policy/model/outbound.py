"""What proxies are told of traffic to one target.

Equal policies are equal values, whatever made them. Matches, filters, timeouts and the like are
the values of `linkerd.policy`.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from linkerd.policy.failure_accrual import FailureAccrual
from linkerd.policy.filters import Filter
from linkerd.policy.hosts import HostMatch
from linkerd.policy.load_bias import LoadBias
from linkerd.policy.matches import GrpcMatch, HttpMatch
from linkerd.policy.retries import GrpcRetry, HttpRetry
from linkerd.policy.timeouts import NO_TIMEOUTS, Timeouts

NOT_ALLOWED: Final = "traffic not allowed"
"""Why a rule refuses what an EgressNetwork denies."""

INVALID: Final = "invalid"
"""The metadata of a backend that is none."""


@dataclass(frozen=True, slots=True)
class ResourceName:
    """A Kubernetes object, or (`port` other than 0) a port of it."""

    group: str
    kind: str
    namespace: str
    name: str
    port: int = 0


Metadata = ResourceName | str
"""Where a part of a policy comes from: an object, or the name of a default."""


@dataclass(frozen=True, slots=True)
class Forward:
    """One address, as the application asked for it."""

    ip: str
    port: int


@dataclass(frozen=True, slots=True)
class Balancer:
    """All endpoints of `authority`, which is a service's `name:port`. Without a `bias` endpoints
    are chosen by latency alone."""

    authority: str
    bias: LoadBias | None = None


@dataclass(frozen=True, slots=True)
class Backend:
    """Where traffic goes; `target` is None where it leads nowhere."""

    metadata: Metadata
    target: Forward | Balancer | None


@dataclass(frozen=True, slots=True)
class RouteBackend:
    """A backend of a rule. `failure` says why requests fail that go there, if all do."""

    backend: Backend
    weight: int = 1
    filters: tuple[Filter, ...] = ()
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of what meets one of the matches, or of everything if there are none.

    Backends are chosen by weight, or else the first is taken that is available. `refusal` says why
    nothing is let through, if nothing is; without backends there must be one.
    """

    matches: tuple[HttpMatch | GrpcMatch, ...] = ()
    filters: tuple[Filter, ...] = ()
    backends: tuple[RouteBackend, ...] = ()
    weighted: bool = False
    refusal: str = ""
    timeouts: Timeouts = NO_TIMEOUTS
    retry: HttpRetry | GrpcRetry | None = None
    request_headers: bool = False
    """Whether clients may set timeouts and retries by headers."""


@dataclass(frozen=True, slots=True)
class Route:
    """A route of any kind; `hosts` are the names that clients ask for by SNI, in one of TLS."""

    metadata: Metadata
    rules: tuple[Rule, ...]
    hosts: tuple[HostMatch, ...] = ()


class Protocol(Enum):
    """What a proxy takes the bytes for."""

    DETECT = "detect"
    """It looks at them: HTTP goes by the routes, all else by `stream`."""
    HTTP_1 = "http1"
    HTTP_2 = "http2"
    GRPC = "grpc"
    TLS = "tls"
    OPAQUE = "opaque"


@dataclass(frozen=True, slots=True)
class OutboundPolicy:
    """Everything about traffic to one target.

    `routes` are HTTP routes, gRPC routes or TLS routes, as `protocol` says, and `stream` is the
    one route of DETECT and OPAQUE for bytes that are not looked at. `spares` are the routes that
    would come after the one of OPAQUE: they are not told, but clients hear of each that is accepted
    or gone by the same policy once more.
    """

    metadata: Metadata
    protocol: Protocol
    routes: tuple[Route, ...] = ()
    stream: Route | None = None
    accrual: FailureAccrual | None = None
    spares: tuple[Metadata, ...] = ()
    memo: list[bytes] = field(default_factory=list, compare=False, repr=False)
    """The policy as it was encoded first, for all who are told it."""
