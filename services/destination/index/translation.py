"""ServiceProfiles, as their authors write them, into what they mean.

A profile that means nothing (a route without condition, an empty match, an impossible status range)
is refused as a whole: half of somebody's routes may be worse than none. What only weakens one route
or the retries is left out and told.

So is a route of whose conditions a proxy would drop a part, for the rest would match more. Requests
that were meant for it then go by the routes after it, so these are not retried.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Final

from linkerd.kube.objects import (
    RequestMatch,
    ResponseMatch,
    ServiceProfile,
    StatusRange,
    WeightedDestination,
)
from linkerd.kube.objects import ResponseClass as KubeResponseClass
from linkerd.kube.objects import RetryBudget as KubeBudget
from linkerd.kube.objects import Route as KubeRoute
from linkerd.mesh.authority import is_target
from linkerd.mesh.metric_labels import label_value
from linkerd.mesh.patterns import TooLargeError
from linkerd.profiles.conditions import (
    MAX_NESTING,
    Paths,
    check_members,
    check_method,
)
from linkerd.quantity import parse_milli
from linkerd.runtime.duration import parse_go_duration
from linkerd.runtime.errors import DurationError
from services.destination.model.routes import (
    AllOf,
    AnyOf,
    Match,
    MethodMatch,
    Not,
    PathMatch,
    ResponseClass,
    RetryBudget,
    Route,
    StatusMatch,
    Traffic,
    WeightedTarget,
)

_STATUSES: Final = range(100, 600)
_TTLS: Final = (timedelta(seconds=1), timedelta(seconds=60))  # of budgets that proxies accept
_MAX_RATIO: Final = 1000.0
_MAX_RETRIES: Final = 2**31 - 1
_MAX_WEIGHTS: Final = 2**32 - 1  # of all targets together: more makes a proxy panic


class ProfileError(Exception):
    """The profile means nothing. The message names the part."""


class _RouteError(Exception):
    """A proxy would drop a part of the route. The message names the part."""


def translate(profile: ServiceProfile, tell: Callable[[str, str], None]) -> Traffic:
    """What the profile says. `tell(part, problem)` hears of what had to be left out. Raises
    ProfileError."""
    spec = profile.spec
    budget = _budget(spec.retry_budget, tell) if spec.retry_budget is not None else RetryBudget()
    return Traffic(
        routes=tuple(_routes(spec.routes, tell)),
        budget=budget,
        targets=_overrides(spec.dst_overrides, tell),
        profile=(profile.metadata.namespace, profile.metadata.name),
    )


def _routes(routes: Iterable[KubeRoute], tell: Callable[[str, str], None]) -> Iterator[Route]:
    paths = Paths()
    left_out: list[_RouteError] = []
    for number, item in enumerate(routes):
        try:
            route = _route(f"spec.routes[{number}]", item, paths, tell)
            yield replace(route, retryable=False) if left_out else route
        except _RouteError as error:
            left_out.append(error)
        except TooLargeError as error:
            raise ProfileError(f"spec.routes: {error}") from None
    if left_out:
        first, more = left_out[0], len(left_out) - 1
        others = f", and so are {more} others" if more else ""
        tell("spec.routes", f"{first}; it is left out{others}, and what follows is not retried")


def _route(part: str, route: KubeRoute, paths: Paths, tell: Callable[[str, str], None]) -> Route:
    if route.condition is None:
        raise ProfileError(f"{part}: it has no condition")
    return Route(
        name=label_value(route.name),
        match=_request(route.condition, f"{part}.condition", paths),
        response_classes=tuple(_class(item, part) for item in route.response_classes),
        retryable=route.is_retryable,
        timeout=_timeout(route.timeout, f"{part}.timeout", tell),
    )


def _timeout(text: str, part: str, tell: Callable[[str, str], None]) -> timedelta | None:
    try:
        timeout = parse_go_duration(text) if text else timedelta(0)
    except DurationError as error:
        tell(part, f"{error}; the route has none")
        return None
    return timeout if timeout > timedelta(0) else None


def _request(match: RequestMatch, part: str, paths: Paths, depth: int = 0) -> Match:
    _limit(depth, part)
    found: list[Match] = []
    if match.all is not None:
        found.append(AllOf(tuple(_request(m, part, paths, depth + 1) for m in match.all)))
    if match.any is not None:
        found.append(AnyOf(tuple(_request(m, part, paths, depth + 1) for m in match.any)))
    if match.method:
        with _readable(f"{part}: method"):
            check_method(match.method)
        found.append(MethodMatch(match.method.upper()))
    if match.not_ is not None:
        found.append(Not(_request(match.not_, part, paths, depth + 1)))
    if match.path_regex:
        with _readable(f"{part}: pathRegex"):
            paths.check(match.path_regex)
        found.append(PathMatch(match.path_regex))
    return _joined(found, part)


@contextmanager
def _readable(part: str) -> Iterator[None]:
    """Raises _RouteError, which names the part, of what was found that a proxy would drop."""
    try:
        yield
    except ValueError as error:
        raise _RouteError(f"{part}: {error}") from None


def _class(item: KubeResponseClass, part: str) -> ResponseClass:
    if item.condition is None:
        raise ProfileError(f"{part}.responseClasses: one has no condition")
    match = _response(item.condition, f"{part}.responseClasses")
    return ResponseClass(match, item.is_failure)


def _response(match: ResponseMatch, part: str, depth: int = 0) -> Match:
    _limit(depth, part)
    found: list[Match] = []
    if match.all is not None:
        found.append(AllOf(_members(match.all, "all", part, depth)))
    if match.any is not None:
        found.append(AnyOf(_members(match.any, "any", part, depth)))
    if match.status is not None:
        found.append(_status(match.status, part))
    if match.not_ is not None:
        found.append(Not(_response(match.not_, part, depth + 1)))
    return _joined(found, part)


def _members(
    matches: tuple[ResponseMatch, ...], field: str, part: str, depth: int
) -> tuple[Match, ...]:
    with _readable(part):
        check_members(matches, field)
    return tuple(_response(m, part, depth + 1) for m in matches)


def _limit(depth: int, part: str) -> None:
    if depth > MAX_NESTING:
        raise ProfileError(f"{part}: it is nested more than {MAX_NESTING} deep")


def _joined(found: list[Match], part: str) -> Match:
    if not found:
        raise ProfileError(f"{part}: a match has no field that is set")
    return found[0] if len(found) == 1 else AllOf(tuple(found))


def _status(status: StatusRange, part: str) -> StatusMatch:
    """A range; of a bound that is not given, the other one is taken: "exactly that status"."""
    low, high = status.min or status.max, status.max or status.min
    if low not in _STATUSES or high not in _STATUSES or low > high:
        raise ProfileError(f"{part}: {status.min} to {status.max} is no range of HTTP statuses")
    return StatusMatch(low, high)


def _budget(budget: KubeBudget, tell: Callable[[str, str], None]) -> RetryBudget | None:
    try:
        ttl = parse_go_duration(budget.ttl)
    except DurationError as error:
        raise ProfileError(f"spec.retryBudget.ttl: {error}") from None
    ratio, minimum = budget.retry_ratio, budget.min_retries_per_second
    least, most = _TTLS
    if least <= ttl <= most and 0 <= ratio <= _MAX_RATIO and 0 <= minimum <= _MAX_RETRIES:
        return RetryBudget(ratio, minimum, ttl)
    tell("spec.retryBudget", "proxies take a ratio up to 1000 and a ttl of 1s to 60s; no retries")
    return None


def targets(
    weights: Iterable[tuple[str, int | float | str]], part: str
) -> tuple[WeightedTarget, ...]:
    """Authorities and their shares, of quantities. Raises ProfileError, which names `part`."""
    parsed = [(authority, _weight(quantity, part)) for authority, quantity in weights]
    total = sum(weight for _, weight in parsed)
    if total > _MAX_WEIGHTS:
        parsed = [(authority, weight * _MAX_WEIGHTS // total) for authority, weight in parsed]
    return tuple(WeightedTarget(authority, weight) for authority, weight in parsed)


def _overrides(
    overrides: Iterable[WeightedDestination], tell: Callable[[str, str], None]
) -> tuple[WeightedTarget, ...]:
    part = "spec.dstOverrides"

    def usable() -> Iterator[tuple[str, int | float | str]]:
        for number, item in enumerate(overrides):
            if is_target(item.authority):
                yield item.authority, item.weight
            else:
                problem = f"{item.authority[:100]!r} is no name of a service; it is left out"
                tell(f"{part}[{number}].authority", problem)

    return targets(usable(), part)


def _weight(quantity: float | str, part: str) -> int:
    """Ten-thousandths."""
    try:
        milli = parse_milli(quantity)
    except ValueError as error:
        raise ProfileError(f"{part}: weight: {error}") from None
    if milli < 0:
        raise ProfileError(f"{part}: weight: {quantity} is negative")
    return milli * 10
