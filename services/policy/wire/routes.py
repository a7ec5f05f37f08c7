"""Parts of routes that both directions share: hosts, matches and filters as messages."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from google.protobuf.duration_pb2 import Duration

from linkerd.policy.filters import FullPath, HeaderChanges, PrefixPath, Redirect
from linkerd.policy.hosts import ExactHost, HostMatch
from linkerd.policy.matches import GrpcMatch, HttpMatch, PathKind, PathMatch, ValueMatch
from linkerd.stubs.proxy import grpc_route_pb2, http_types_pb2
from linkerd.stubs.proxy import http_route_pb2 as pb

_METHODS: Final = dict(http_types_pb2.HttpMethod.Registered.items())
_SCHEMES: Final = {
    name.lower(): number for name, number in http_types_pb2.Scheme.Registered.items()
}
_PATHS: Final = {PathKind.EXACT: "exact", PathKind.PREFIX: "prefix", PathKind.REGEX: "regex"}


def duration_message(duration: timedelta) -> Duration:
    """A duration."""
    message = Duration()
    message.FromTimedelta(duration)
    return message


def host_message(host: HostMatch) -> pb.HostMatch:
    """Hosts that requests are for."""
    if isinstance(host, ExactHost):
        return pb.HostMatch(exact=host.name)
    return pb.HostMatch(suffix=pb.HostMatch.Suffix(reverse_labels=host.reversed_labels))


def http_match_message(match: HttpMatch) -> pb.HttpRouteMatch:
    """Requests."""
    return pb.HttpRouteMatch(
        path=None if match.path is None else _path(match.path),
        headers=map(_header, match.headers),
        query_params=map(_query, match.queries),
        method=_method(match.method) if match.method else None,
    )


def grpc_match_message(match: GrpcMatch) -> grpc_route_pb2.GrpcRouteMatch:
    """Calls. Proxies refuse a match that has nothing about the method, so an empty one stands for
    any."""
    return grpc_route_pb2.GrpcRouteMatch(
        rpc=grpc_route_pb2.GrpcRpcMatch(service=match.service, method=match.method),
        headers=map(_header, match.headers),
    )


def _path(path: PathMatch) -> pb.PathMatch:
    message = pb.PathMatch()
    setattr(message, _PATHS[path.kind], path.value)
    return message


def _header(match: ValueMatch) -> pb.HeaderMatch:
    if match.is_regex:
        return pb.HeaderMatch(name=match.name, regex=match.value)
    return pb.HeaderMatch(name=match.name, exact=match.value.encode())


def _query(match: ValueMatch) -> pb.QueryParamMatch:
    if match.is_regex:
        return pb.QueryParamMatch(name=match.name, regex=match.value)
    return pb.QueryParamMatch(name=match.name, exact=match.value)


def _method(name: str) -> http_types_pb2.HttpMethod:
    number = _METHODS.get(name)
    if number is None:
        return http_types_pb2.HttpMethod(unregistered=name)
    return http_types_pb2.HttpMethod(registered=number)


def request_headers_message(changes: HeaderChanges) -> pb.RequestHeaderModifier:
    """Changes to the headers of requests. Both lists are there, if only empty."""
    return pb.RequestHeaderModifier(
        add=_headers(changes.add), set=_headers(changes.set), remove=changes.remove
    )


def response_headers_message(changes: HeaderChanges) -> pb.ResponseHeaderModifier:
    """Changes to the headers of answers. Both lists are there, if only empty."""
    return pb.ResponseHeaderModifier(
        add=_headers(changes.add), set=_headers(changes.set), remove=changes.remove
    )


def _headers(headers: Iterable[tuple[str, str]]) -> http_types_pb2.Headers:
    message = http_types_pb2.Headers()
    for name, value in headers:
        message.headers.add(name=name, value=value.encode())
    return message


def redirect_message(redirect: Redirect) -> pb.RequestRedirect:
    """An answer that sends the client elsewhere."""
    return pb.RequestRedirect(
        scheme=_scheme(redirect.scheme) if redirect.scheme else None,
        host=redirect.host,
        path=None if redirect.path is None else _new_path(redirect.path),
        port=redirect.port,
        status=redirect.status,
    )


def _scheme(name: str) -> http_types_pb2.Scheme:
    number = _SCHEMES.get(name)
    if number is None:
        return http_types_pb2.Scheme(unregistered=name)
    return http_types_pb2.Scheme(registered=number)


def _new_path(path: FullPath | PrefixPath) -> pb.PathModifier:
    if isinstance(path, FullPath):
        return pb.PathModifier(full=path.path)
    return pb.PathModifier(prefix=path.path)
