"""Whether a ServiceProfile may be stored, for the webhook and the command line.

The first fault is told, in one sentence that names the profile and the part. Not judged, as in
upstream's validator: which service the name belongs to, and whether a budget's numbers are ones
that proxies take. Judged, unlike there: methods and regular expressions, for a proxy drops those
that it cannot read, and the rest of the condition then matches more.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from linkerd.mesh.names import is_dns_subdomain
from linkerd.mesh.patterns import TooLargeError
from linkerd.profiles.conditions import (
    MAX_NESTING,
    Paths,
    check_members,
    check_method,
)
from linkerd.profiles.documents import plain, read_document
from linkerd.profiles.errors import InvalidProfile, SourceError
from linkerd.profiles.shapes import (
    Profile,
    RequestMatch,
    ResponseClass,
    ResponseMatch,
    RetryBudget,
    Route,
    Spec,
    StatusRange,
)
from linkerd.quantity import parse_milli
from linkerd.runtime.duration import parse_go_duration
from linkerd.runtime.errors import DurationError

_STATUSES: Final = range(100, 600)
_MAX_NAME: Final = 253  # of what a message repeats
_MAX_PORT: Final = 2**32 - 1


class _Fault(Exception):  # noqa: N818  # a verdict that has no subject yet
    """What is wrong, to be put behind the name of the profile."""


def validate_document(raw: bytes) -> None:
    """Judge a ServiceProfile in YAML or JSON. Raises InvalidProfile, and nothing else."""
    try:
        value = read_document(raw)
    except SourceError as error:
        raise _unreadable(error) from error
    validate(value)


def validate(value: Any) -> None:
    """Judge a ServiceProfile that is decoded (of dicts and lists). Raises InvalidProfile, and
    nothing else."""
    try:
        profile = msgspec.convert(plain(value), Profile)
    except (msgspec.ValidationError, SourceError) as error:
        raise _unreadable(error) from error
    try:
        _profile(profile)
    except _Fault as fault:
        name = profile.metadata.name[:_MAX_NAME]
        raise InvalidProfile(f'ServiceProfile "{name}" {fault}') from None


def _unreadable(error: Exception) -> InvalidProfile:
    return InvalidProfile(f"failed to validate ServiceProfile: {error}")


def _profile(profile: Profile) -> None:
    if not is_dns_subdomain(profile.metadata.name):
        raise _Fault(
            "has an invalid name: it must be the full name of a service, dot-separated labels of "
            "lower-case letters, digits and dashes, such as web.shop.svc.cluster.local"
        )
    _routes(profile.spec.routes)
    if profile.spec.retry_budget is not None:
        _budget(profile.spec.retry_budget)
    _rest(profile.spec)


def _routes(routes: Sequence[Route | None]) -> None:
    paths = Paths()
    try:
        for number, route in enumerate(routes):
            _route(route, f"spec.routes[{number}]", paths)
    except TooLargeError as error:
        raise _Fault(f"is too large: {error}") from None


def _route(route: Route | None, part: str, paths: Paths) -> None:
    if route is None:
        raise _Fault(f"has a null route: {part}")
    if not route.name:
        raise _Fault(f"has a route with no name: {part}")
    if route.timeout:
        _duration(route.timeout, "has a route with an invalid timeout", part)
    if route.condition is None:
        raise _Fault(f"has a route with no condition: {part}")
    preface = "has a route with an invalid condition"
    _judged(route.condition, preface, f"{part}.condition", paths)
    for number, item in enumerate(route.response_classes):
        _class(item, f"{part}.responseClasses[{number}]")


def _class(item: ResponseClass | None, part: str) -> None:
    if item is None:
        raise _Fault(f"has a null response class: {part}")
    if item.condition is None:
        raise _Fault(f"has a response class with no condition: {part}")
    preface = "has a response class with an invalid condition"
    _judged(item.condition, preface, f"{part}.condition", Paths())


def _judged(match: RequestMatch | ResponseMatch, preface: str, part: str, paths: Paths) -> None:
    try:
        _match(match, paths, 0)
    except (_Fault, ValueError) as fault:
        raise _Fault(f"{preface}: {part}: {fault}") from None


def _match(match: RequestMatch | ResponseMatch, paths: Paths, depth: int) -> None:
    """In the order all, any, the match's own fields, not."""
    if depth > MAX_NESTING:
        raise _Fault(f"It is nested more than {MAX_NESTING} deep")
    _children(match.all, "all", paths, depth)
    _children(match.any, "any", paths, depth)
    if isinstance(match, RequestMatch):
        _request(match, paths)
    else:
        _response(match)
    if match.not_ is not None:
        _match(match.not_, paths, depth + 1)
    if not _has_field(match):
        kind = "request" if isinstance(match, RequestMatch) else "response"
        raise _Fault(f"A {kind} match must have a field set")


def _request(match: RequestMatch, paths: Paths) -> None:
    if match.method:
        check_method(match.method)
    if match.path_regex:
        paths.check(match.path_regex)


def _response(match: ResponseMatch) -> None:
    for field, members in (("all", match.all), ("any", match.any)):
        if members is not None:
            check_members(members, field)
    if match.status is not None:
        _status(match.status)


def _children(
    matches: Sequence[RequestMatch | ResponseMatch | None] | None,
    field: str,
    paths: Paths,
    depth: int,
) -> None:
    for match in matches or ():
        if match is None:
            raise _Fault(f'Contains a null condition "{field}"')
        _match(match, paths, depth + 1)


def _has_field(match: RequestMatch | ResponseMatch) -> bool:
    """Whether something is said; of a request, an empty `all` or `any` is something."""
    if match.all is not None or match.any is not None or match.not_ is not None:
        return True
    if isinstance(match, RequestMatch):
        return bool(match.method or match.path_regex)
    return match.status is not None


def _status(status: StatusRange) -> None:
    """0 is a bound that is not given."""
    for name, bound in (("minimum", status.min), ("maximum", status.max)):
        if bound and bound not in _STATUSES:
            raise _Fault(f"Range {name} must be between 100 and 599, inclusive, not {bound}")
    if status.min and status.max and status.max < status.min:
        raise _Fault(
            f"Range maximum cannot be smaller than minimum: {status.max} is below {status.min}"
        )


def _budget(budget: RetryBudget) -> None:
    if budget.retry_ratio < 0:
        raise _Fault(f"RetryBudget RetryRatio must be non-negative: {budget.retry_ratio:.6f}")
    if not budget.ttl:
        raise _Fault("RetryBudget missing TTL field")
    _duration(budget.ttl, "RetryBudget has an invalid TTL", "spec.retryBudget.ttl")


def _duration(text: str, preface: str, part: str) -> None:
    try:
        parse_go_duration(text)
    except DurationError as error:
        raise _Fault(f"{preface}: {part}: {error}") from None


def _rest(spec: Spec) -> None:
    """What upstream's decoder refuses before it looks at the rest."""
    for number, item in enumerate(spec.dst_overrides):
        part = f"spec.dstOverrides[{number}]"
        if item is None:
            raise _Fault(f"has a null destination: {part}")
        try:
            parse_milli(item.weight)
        except ValueError as error:
            raise _Fault(f"has a destination with an invalid weight: {part}: {error}") from None
    for port in spec.opaque_ports:
        if not (port.isascii() and port.isdigit() and len(port) <= 10 and int(port) <= _MAX_PORT):
            raise _Fault(f"has an opaque port that is no number: {port[:64]!r}")
