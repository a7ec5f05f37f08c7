"""Routes: what attaches to which parents, for whom, and what becomes of the traffic."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Generic, TypeVar

from linkerd.kube.objects import GRPCRoute, HTTPRoute, Key, TCPRoute, TLSRoute
from linkerd.policy.backends import Backend
from linkerd.policy.errors import PolicyError
from linkerd.policy.filters import Filter
from linkerd.policy.hosts import HostMatch
from linkerd.policy.matches import GrpcMatch, HttpMatch
from linkerd.policy.parents import Acceptance, Parent, acceptances, is_pending, parents
from linkerd.policy.references import GroupKind
from linkerd.policy.retries import GrpcRetry, HttpRetry
from linkerd.policy.timeouts import NO_TIMEOUTS, Timeouts, judge_timeouts


@dataclass(frozen=True, slots=True)
class HttpRule:
    """What becomes of requests that meet one of the matches, or of all if there are none. Without
    backends they go on to where they were sent. `request_timeout` is the rule's own, None where it
    has none."""

    matches: tuple[HttpMatch, ...] = ()
    filters: tuple[Filter, ...] = ()
    backends: tuple[Backend, ...] = ()
    request_timeout: timedelta | None = None


@dataclass(frozen=True, slots=True)
class GrpcRule:
    """What becomes of calls that meet one of the matches, or of all if there are none."""

    matches: tuple[GrpcMatch, ...] = ()
    filters: tuple[Filter, ...] = ()
    backends: tuple[Backend, ...] = ()


@dataclass(frozen=True, slots=True)
class ConnectionRule:
    """Where connections go, of TLS or plain."""

    backends: tuple[Backend, ...] = ()


@dataclass(frozen=True, slots=True)
class CallSettings:
    """What a route's annotations say to proxies of clients; None where they say nothing, and the
    parent's hold."""

    timeouts: Timeouts = NO_TIMEOUTS
    retry: HttpRetry | GrpcRetry | None = None


NO_SETTINGS: Final = CallSettings()

R = TypeVar("R", HttpRule, GrpcRule, ConnectionRule)


@dataclass(frozen=True, slots=True)
class Route(Generic[R]):
    """A route that proxies can be told. `created` is RFC 3339, empty where nobody knows.

    `pending`: it names a parent that clients call, of which its status does not tell yet. Until
    then it stays where it was accepted before.

    `calls` is a PolicyError where the annotations make no sense: the route is none, then, for
    proxies of clients, while those of Servers do not read them.
    """

    kind: GroupKind
    key: Key
    created: str
    parents: tuple[Parent, ...]
    acceptances: tuple[Acceptance, ...]
    pending: bool
    hosts: tuple[HostMatch, ...]
    rules: tuple[R, ...]
    calls: CallSettings | PolicyError

    @property
    def order(self) -> tuple[bool, str, str, str, str, str]:
        """What routes are sorted by: those whose age is known come first, the oldest before all."""
        group, kind = self.kind.group, self.kind.kind
        return (not self.created, self.created, self.key.name, self.key.namespace, group, kind)


HttpRoute = Route[HttpRule]
GrpcRoute = Route[GrpcRule]
TlsRoute = Route[ConnectionRule]
TcpRoute = Route[ConnectionRule]


def judged_route(
    route: HTTPRoute | GRPCRoute | TLSRoute | TCPRoute,
    kind: GroupKind,
    *,
    hosts: tuple[HostMatch, ...],
    rules: tuple[R, ...],
    calls: CallSettings | PolicyError,
) -> Route[R]:
    """What `route` says, of which this has been judged already."""
    metadata = route.metadata
    references = parents(route.spec.parent_refs, metadata.namespace)
    return Route(
        kind=kind,
        key=metadata.key,
        created=metadata.creation_timestamp,
        parents=references,
        acceptances=acceptances(route.status, metadata.namespace),
        pending=is_pending(route.status, references, metadata.namespace),
        hosts=hosts,
        rules=rules,
        calls=calls,
    )


def judge_call_settings(
    annotations: Mapping[str, str],
    read_retry: Callable[[Mapping[str, str]], HttpRetry | GrpcRetry | None],
) -> CallSettings | PolicyError:
    """What the annotations of a route say, or what is wrong with them."""
    try:
        return CallSettings(judge_timeouts(annotations), read_retry(annotations))
    except PolicyError as error:
        return error.with_traceback(None)
