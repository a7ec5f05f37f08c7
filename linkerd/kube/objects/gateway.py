"""Routes of the Gateway API, and policy.linkerd.io's HTTPRoute, which has the same form.

Whatever a schema admits decodes here, so that `linkerd.policy` can say what is wrong with it. The
defaults are those of the schemas; a `None` is an absent field where that is not the same as an
empty one. Bodies of filters that no proxy applies are not read, only their types.
"""

import msgspec

from linkerd.kube.objects.conditions import Condition
from linkerd.kube.objects.meta import DatedMeta


class ParentReference(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """What a route attaches to. Where `namespace` is None it is in the route's own; `group` and
    `kind` are empty where nobody gave any, which the schemas do not let happen."""

    name: str
    group: str | None = None
    kind: str = ""
    namespace: str | None = None
    section_name: str | None = None
    port: int | None = None


class BackendReference(msgspec.Struct, frozen=True, gc=False):
    """Where a share of the traffic goes. Where `namespace` is None it is in the route's own."""

    name: str
    group: str = ""
    kind: str = "Service"
    namespace: str | None = None
    port: int | None = None
    weight: int = 1


class Header(msgspec.Struct, frozen=True, gc=False):
    """A header."""

    name: str
    value: str = ""


class HeaderModifier(msgspec.Struct, frozen=True, gc=False):
    """Headers that are set, added and removed."""

    set: tuple[Header, ...] = ()
    add: tuple[Header, ...] = ()
    remove: tuple[str, ...] = ()


class PathModifier(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What becomes of a path: `type` is ReplaceFullPath or ReplacePrefixMatch."""

    type: str = ""
    replace_full_path: str | None = None
    replace_prefix_match: str | None = None


class RequestRedirect(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """An answer that sends the client elsewhere; what is None stays as the request has it."""

    scheme: str | None = None
    hostname: str | None = None
    path: PathModifier | None = None
    port: int | None = None
    status_code: int | None = None


class RouteFilter(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What is done to requests or answers: that which `type` names."""

    type: str
    request_header_modifier: HeaderModifier | None = None
    response_header_modifier: HeaderModifier | None = None
    request_redirect: RequestRedirect | None = None


class FilteredBackendReference(BackendReference, frozen=True, gc=False):
    """A backend of a route that knows requests."""

    filters: tuple[RouteFilter, ...] = ()


class PathMatch(msgspec.Struct, frozen=True, gc=False):
    """A path; `type` is Exact, PathPrefix or RegularExpression."""

    type: str = "PathPrefix"
    value: str = "/"


class ValueMatch(msgspec.Struct, frozen=True, gc=False):
    """A header or a parameter of the query; `type` is Exact or RegularExpression."""

    name: str
    value: str = ""
    type: str = "Exact"


class HTTPRouteMatch(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Requests that meet all of it."""

    path: PathMatch | None = None
    headers: tuple[ValueMatch, ...] = ()
    query_params: tuple[ValueMatch, ...] = ()
    method: str | None = None


class HTTPRouteTimeouts(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Durations as written: of a request with all its tries, and of one try."""

    request: str | None = None
    backend_request: str | None = None


class HTTPRouteRule(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What becomes of requests that meet one of the matches, or of all if there are none."""

    matches: tuple[HTTPRouteMatch, ...] = ()
    filters: tuple[RouteFilter, ...] = ()
    backend_refs: tuple[FilteredBackendReference, ...] = ()
    timeouts: HTTPRouteTimeouts | None = None


class HTTPRouteSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Parents, hosts and rules; without a rule the schemas put one for every path."""

    parent_refs: tuple[ParentReference, ...] = ()
    hostnames: tuple[str, ...] = ()
    rules: tuple[HTTPRouteRule, ...] = (HTTPRouteRule(matches=(HTTPRouteMatch(PathMatch()),)),)


class MethodMatch(msgspec.Struct, frozen=True, gc=False):
    """A gRPC service, or one method of it; `type` is Exact or RegularExpression."""

    service: str | None = None
    method: str | None = None
    type: str = "Exact"


class GRPCRouteMatch(msgspec.Struct, frozen=True, gc=False):
    """Calls that meet all of it."""

    method: MethodMatch | None = None
    headers: tuple[ValueMatch, ...] = ()


class GRPCRouteRule(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What becomes of calls that meet one of the matches, or of all if there are none."""

    matches: tuple[GRPCRouteMatch, ...] = ()
    filters: tuple[RouteFilter, ...] = ()
    backend_refs: tuple[FilteredBackendReference, ...] = ()


class GRPCRouteSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Parents, hosts and rules."""

    parent_refs: tuple[ParentReference, ...] = ()
    hostnames: tuple[str, ...] = ()
    rules: tuple[GRPCRouteRule, ...] = ()


class ConnectionRule(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Where connections go."""

    backend_refs: tuple[BackendReference, ...] = ()


class TLSRouteSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Parents, names that clients ask for (SNI), and rules."""

    parent_refs: tuple[ParentReference, ...] = ()
    hostnames: tuple[str, ...] = ()
    rules: tuple[ConnectionRule, ...] = ()


class TCPRouteSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Parents and rules."""

    parent_refs: tuple[ParentReference, ...] = ()
    rules: tuple[ConnectionRule, ...] = ()


class RouteParentStatus(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """What a controller makes of one parent."""

    parent_ref: ParentReference
    controller_name: str = ""
    conditions: tuple[Condition, ...] = ()


class RouteStatus(msgspec.Struct, frozen=True, gc=False):
    """What controllers make of a route's parents."""

    parents: tuple[RouteParentStatus, ...] = ()


class HTTPRoute(msgspec.Struct, frozen=True, gc=False):
    """An HTTPRoute of either group."""

    metadata: DatedMeta
    spec: HTTPRouteSpec = HTTPRouteSpec()
    status: RouteStatus = RouteStatus()


class GRPCRoute(msgspec.Struct, frozen=True, gc=False):
    """A GRPCRoute."""

    metadata: DatedMeta
    spec: GRPCRouteSpec = GRPCRouteSpec()
    status: RouteStatus = RouteStatus()


class TLSRoute(msgspec.Struct, frozen=True, gc=False):
    """A TLSRoute."""

    metadata: DatedMeta
    spec: TLSRouteSpec = TLSRouteSpec()
    status: RouteStatus = RouteStatus()


class TCPRoute(msgspec.Struct, frozen=True, gc=False):
    """A TCPRoute."""

    metadata: DatedMeta
    spec: TCPRouteSpec = TCPRouteSpec()
    status: RouteStatus = RouteStatus()
