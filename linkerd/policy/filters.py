"""What is done to requests and answers on their way."""

import re
from dataclasses import dataclass
from typing import Final, TypeVar

from linkerd.kube.objects import Header, HeaderModifier, PathModifier, RequestRedirect, RouteFilter
from linkerd.mesh.names import is_dns_subdomain
from linkerd.mesh.ports import MAX_PORT
from linkerd.policy.errors import PolicyError, UnsupportedError, shown
from linkerd.policy.matches import check_header_name, check_header_value

T = TypeVar("T")

_REQUEST: Final = "RequestHeaderModifier"
_RESPONSE: Final = "ResponseHeaderModifier"
_REDIRECT: Final = "RequestRedirect"
GRPC_FILTERS: Final = frozenset({_REQUEST, _RESPONSE})
"""The types of filters that a GRPCRoute may have."""
HTTP_FILTERS: Final = frozenset({*GRPC_FILTERS, _REDIRECT})
"""Those of an HTTPRoute."""

_FOUND: Final = 302
_REDIRECTIONS: Final = range(300, 400)
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class HeaderChanges:
    """Headers, by names in lower case, each with its value; in the order in which they were
    given."""

    add: tuple[tuple[str, str], ...] = ()
    set: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestHeaders:
    """Changes to the headers of requests."""

    changes: HeaderChanges


@dataclass(frozen=True, slots=True)
class ResponseHeaders:
    """Changes to the headers of answers."""

    changes: HeaderChanges


@dataclass(frozen=True, slots=True)
class FullPath:
    """A path in place of the request's."""

    path: str


@dataclass(frozen=True, slots=True)
class PrefixPath:
    """A path in place of the prefix that was matched."""

    path: str


@dataclass(frozen=True, slots=True)
class Redirect:
    """An answer that sends the client elsewhere; what is empty, None or 0 stays as it was."""

    scheme: str = ""
    host: str = ""
    path: FullPath | PrefixPath | None = None
    port: int = 0
    status: int = _FOUND


Filter = RequestHeaders | ResponseHeaders | Redirect


def judge_filters(filters: tuple[RouteFilter, ...], field: str) -> tuple[Filter, ...]:
    """What the filters do, but for those of types that proxies do not have: `check_supported` is
    for these. Raises PolicyError for a malformed one."""
    return tuple(
        _filter(each, f"{field}[{at}]")
        for at, each in enumerate(filters)
        if each.type in HTTP_FILTERS
    )


def _type(spec: RouteFilter) -> str:
    """What the filter is. Where the part that its type asks for is missing, and another is there,
    it is what that part says: the schema of policy.linkerd.io does not hold the two together."""
    parts = {
        _REQUEST: spec.request_header_modifier,
        _RESPONSE: spec.response_header_modifier,
        _REDIRECT: spec.request_redirect,
    }
    if spec.type not in parts or parts[spec.type] is not None:
        return spec.type
    return next((each for each, part in parts.items() if part is not None), spec.type)


def check_supported(filters: tuple[RouteFilter, ...], types: frozenset[str], field: str) -> None:
    """Raises UnsupportedError for a filter of another type: traffic must not go on as if the filter
    were not there."""
    for at, each in enumerate(filters):
        if (type_ := _type(each)) not in types:
            known = ", ".join(sorted(types))
            problem = f"{shown(type_)} is no filter that proxies have here; they have {known}"
            raise UnsupportedError(f"{field}[{at}].type", problem)


def _filter(spec: RouteFilter, field: str) -> Filter:
    type_ = _type(spec)
    if type_ == _REDIRECT:
        place = f"{field}.requestRedirect"
        return _redirect(_body(spec.request_redirect, place), place)
    if type_ == _REQUEST:
        place = f"{field}.requestHeaderModifier"
        return RequestHeaders(_changes(_body(spec.request_header_modifier, place), place))
    place = f"{field}.responseHeaderModifier"
    return ResponseHeaders(_changes(_body(spec.response_header_modifier, place), place))


def _body(body: T | None, field: str) -> T:
    if body is None:
        raise PolicyError(field, "is missing, but the filter is of this type")
    return body


def _changes(modifier: HeaderModifier, field: str) -> HeaderChanges:
    remove = modifier.remove
    for at, name in enumerate(remove):
        check_header_name(name, f"{field}.remove[{at}]")
    return HeaderChanges(
        add=_headers(modifier.add, f"{field}.add"),
        set=_headers(modifier.set, f"{field}.set"),
        remove=tuple(name.lower() for name in remove),
    )


def _headers(headers: tuple[Header, ...], field: str) -> tuple[tuple[str, str], ...]:
    for at, header in enumerate(headers):
        check_header_name(header.name, f"{field}[{at}].name")
        check_header_value(header.value, f"{field}[{at}].value")
    return tuple((header.name.lower(), header.value) for header in headers)


def _redirect(spec: RequestRedirect, field: str) -> Redirect:
    scheme, host = spec.scheme or "", spec.hostname or ""
    if scheme and _SCHEME.fullmatch(scheme) is None:
        raise PolicyError(f"{field}.scheme", f"{shown(scheme)} is no scheme of a URL")
    if host and not is_dns_subdomain(host):
        raise PolicyError(f"{field}.hostname", f"{shown(host)} is no DNS name in lower case")
    if spec.port is not None and not 0 < spec.port <= MAX_PORT:
        raise PolicyError(f"{field}.port", f"must be from 1 to {MAX_PORT}, not {spec.port}")
    status = _FOUND if spec.status_code is None else spec.status_code
    if status not in _REDIRECTIONS:
        raise PolicyError(f"{field}.statusCode", f"must be from 300 to 399, not {status}")
    path = None if spec.path is None else _path(spec.path, f"{field}.path")
    return Redirect(scheme.lower(), host, path, spec.port or 0, status)


def _path(path: PathModifier, field: str) -> FullPath | PrefixPath:
    if path.type == "ReplaceFullPath":
        return FullPath(_absolute(path.replace_full_path, f"{field}.replaceFullPath"))
    if path.type == "ReplacePrefixMatch":
        return PrefixPath(_absolute(path.replace_prefix_match, f"{field}.replacePrefixMatch"))
    problem = f"{shown(path.type)} is neither ReplaceFullPath nor ReplacePrefixMatch"
    raise PolicyError(f"{field}.type", problem)


def _absolute(path: str | None, field: str) -> str:
    if not (path or "").startswith("/"):
        raise PolicyError(field, f'must begin with "/", unlike {shown(path or "")}')
    return path or ""
