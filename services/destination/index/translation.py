"""ServiceProfiles, as their authors write them, into what they mean.

A profile that means nothing (a route without condition, an empty match, an impossible status range)
is refused as a whole: half of somebody's routes may be worse than none. What only weakens one route
or the retries is left out and told.
"""

import re
from collections.abc import Callable, Iterable, Iterator
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
from linkerd.quantity import parse_milli
from linkerd.runtime.duration import parse_go_duration
from linkerd.runtime.errors import DurationError
from services.destination.model.authority import is_target
from services.destination.model.labels import label_value
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

_METHOD: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110's token
_STATUSES: Final = range(100, 600)
_TTLS: Final = (timedelta(seconds=1), timedelta(seconds=60))  # of budgets that proxies accept
_MAX_RATIO: Final = 1000.0
_MAX_RETRIES: Final = 2**31 - 1
_MAX_WEIGHTS: Final = 2**32 - 1  # of all targets together: more makes a proxy panic
_MAX_NESTING: Final = 30  # protobuf readers stop at 100 levels, three to each of ours


class ProfileError(ValueError):
    """The profile means nothing. The message names the part."""


def translate(profile: ServiceProfile, tell: Callable[[str, str], None]) -> Traffic:
    """What the profile says. `tell(part, problem)` hears of what had to be left out. Raises
    ProfileError."""
    spec = profile.spec
    budget = _budget(spec.retry_budget, tell) if spec.retry_budget is not None else RetryBudget()
    return Traffic(
        routes=tuple(_route(number, route, tell) for number, route in enumerate(spec.routes)),
        budget=budget,
        targets=_overrides(spec.dst_overrides, tell),
        source=(profile.metadata.namespace, profile.metadata.name),
    )


def _route(number: int, route: KubeRoute, tell: Callable[[str, str], None]) -> Route:
    part = f"spec.routes[{number}]"
    if route.condition is None:
        raise ProfileError(f"{part}: it has no condition")
    return Route(
        name=label_value(route.name),
        match=_request(route.condition, f"{part}.condition"),
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


def _request(match: RequestMatch, part: str, depth: int = 0) -> Match:
    _limit(depth, part)
    found: list[Match] = []
    if match.all is not None:
        found.append(AllOf(tuple(_request(m, part, depth + 1) for m in match.all)))
    if match.any is not None:
        found.append(AnyOf(tuple(_request(m, part, depth + 1) for m in match.any)))
    if match.method:
        found.append(_method(match.method, part))
    if match.not_ is not None:
        found.append(Not(_request(match.not_, part, depth + 1)))
    if match.path_regex:
        found.append(PathMatch(match.path_regex))
    return _joined(found, part)


def _method(name: str, part: str) -> MethodMatch:
    """Proxies drop a method that is none, also out of an `all`, which would then match more."""
    if _METHOD.fullmatch(name) is None:
        raise ProfileError(f"{part}: {name[:100]!r} is no HTTP method")
    return MethodMatch(name.upper())


def _class(item: KubeResponseClass, part: str) -> ResponseClass:
    if item.condition is None:
        raise ProfileError(f"{part}.responseClasses: one has no condition")
    match = _response(item.condition, f"{part}.responseClasses")
    return ResponseClass(match, item.is_failure)


def _response(match: ResponseMatch, part: str, depth: int = 0) -> Match:
    _limit(depth, part)
    found: list[Match] = []
    if match.all is not None:
        found.append(AllOf(tuple(_response(m, part, depth + 1) for m in match.all)))
    if match.any is not None:
        found.append(AnyOf(tuple(_response(m, part, depth + 1) for m in match.any)))
    if match.status is not None:
        found.append(_status(match.status, part))
    if match.not_ is not None:
        found.append(Not(_response(match.not_, part, depth + 1)))
    return _joined(found, part)


def _limit(depth: int, part: str) -> None:
    if depth > _MAX_NESTING:
        raise ProfileError(f"{part}: it is nested more than {_MAX_NESTING} deep")


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
