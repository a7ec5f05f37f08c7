"""Which requests and calls a rule takes."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from linkerd.kube.objects import GRPCRouteMatch, HTTPRouteMatch, MethodMatch
from linkerd.kube.objects import PathMatch as PathSpec
from linkerd.kube.objects import ValueMatch as ValueSpec
from linkerd.mesh.http_fields import is_field_value, is_token
from linkerd.mesh.patterns import PatternBudget, PatternError, TooLargeError
from linkerd.policy.errors import PolicyError, shown

_EXACT: Final = "Exact"
_REGEX: Final = "RegularExpression"


class PathKind(Enum):
    """How a path is compared. A regular expression is for the whole of it, a prefix for whole
    segments; both others begin with a slash."""

    EXACT = "Exact"
    PREFIX = "PathPrefix"
    REGEX = _REGEX


@dataclass(frozen=True, slots=True)
class PathMatch:
    """Paths."""

    kind: PathKind
    value: str


@dataclass(frozen=True, slots=True)
class ValueMatch:
    """A header (its name is in lower case) or a parameter of the query; where `is_regex`, the
    expression is for the whole value."""

    name: str
    value: str
    is_regex: bool = False


@dataclass(frozen=True, slots=True)
class HttpMatch:
    """Requests that meet all of it: one that says nothing takes all. An empty method is any."""

    path: PathMatch | None = None
    headers: tuple[ValueMatch, ...] = ()
    queries: tuple[ValueMatch, ...] = ()
    method: str = ""


@dataclass(frozen=True, slots=True)
class GrpcMatch:
    """Calls that meet all of it: one that says nothing takes all. Empty names are any."""

    service: str = ""
    method: str = ""
    headers: tuple[ValueMatch, ...] = ()


class MatchJudge:
    """Judges the matches of one route, whose regular expressions share a budget."""

    def __init__(self) -> None:
        self._patterns = PatternBudget()

    def http(self, match: HTTPRouteMatch, field: str) -> HttpMatch:
        """What a match of an HTTPRoute takes. Raises PolicyError."""
        method = match.method or ""
        if method and not is_token(method):
            raise PolicyError(f"{field}.method", f"{shown(method)} is no HTTP method")
        return HttpMatch(
            path=None if match.path is None else self._path(match.path, f"{field}.path"),
            headers=self._headers(match.headers, f"{field}.headers"),
            queries=self._queries(match.query_params, f"{field}.queryParams"),
            method=method,
        )

    def grpc(self, match: GRPCRouteMatch, field: str) -> GrpcMatch:
        """What a match of a GRPCRoute takes. Raises PolicyError."""
        method = match.method or MethodMatch()
        if method.type != _EXACT:
            problem = f"must be {_EXACT}, not {shown(method.type)}: proxies compare names alone"
            raise PolicyError(f"{field}.method.type", problem)
        headers = self._headers(match.headers, f"{field}.headers")
        return GrpcMatch(method.service or "", method.method or "", headers)

    def _path(self, path: PathSpec, field: str) -> PathMatch:
        try:
            kind = PathKind(path.type)
        except ValueError:
            problem = f"{shown(path.type)} is none of Exact, PathPrefix and RegularExpression"
            raise PolicyError(f"{field}.type", problem) from None
        if kind is PathKind.REGEX:
            self._check_regex(path.value, f"{field}.value")
        elif not path.value.startswith("/"):
            raise PolicyError(f"{field}.value", f'must begin with "/", unlike {shown(path.value)}')
        return PathMatch(kind, path.value)

    def _headers(self, matches: tuple[ValueSpec, ...], field: str) -> tuple[ValueMatch, ...]:
        return tuple(self._header(match, f"{field}[{at}]") for at, match in enumerate(matches))

    def _header(self, match: ValueSpec, field: str) -> ValueMatch:
        check_header_name(match.name, f"{field}.name")
        value = self._value(match, field)
        if not value.is_regex:
            check_header_value(match.value, f"{field}.value")
        return ValueMatch(match.name.lower(), value.value, value.is_regex)

    def _queries(self, matches: tuple[ValueSpec, ...], field: str) -> tuple[ValueMatch, ...]:
        return tuple(self._value(match, f"{field}[{at}]") for at, match in enumerate(matches))

    def _value(self, match: ValueSpec, field: str) -> ValueMatch:
        if match.type not in (_EXACT, _REGEX):
            problem = f"{shown(match.type)} is neither Exact nor RegularExpression"
            raise PolicyError(f"{field}.type", problem)
        is_regex = match.type == _REGEX
        if is_regex:
            self._check_regex(match.value, f"{field}.value")
        return ValueMatch(match.name, match.value, is_regex)

    def _check_regex(self, regex: str, field: str) -> None:
        try:
            self._patterns.check(regex)
        except PatternError as error:
            raise PolicyError(field, str(error)) from None
        except TooLargeError as error:
            raise PolicyError(field, f"is one too many for the route: {error}") from None


def check_header_name(name: str, field: str) -> None:
    """Raises PolicyError unless a header may have this name."""
    if not is_token(name):
        raise PolicyError(field, f"{shown(name)} is no name of a header")


def check_header_value(value: str, field: str) -> None:
    """Raises PolicyError unless a header may have this value."""
    if not is_field_value(value):
        raise PolicyError(field, f"{shown(value)} has a control character, which no header may")
