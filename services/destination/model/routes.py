"""What a ServiceProfile says of a service's traffic: routes, retries, and where it really goes."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias, Union


@dataclass(frozen=True, slots=True)
class PathMatch:
    """The path, without query, matches the regular expression; proxies anchor it."""

    regex: str


@dataclass(frozen=True, slots=True)
class MethodMatch:
    """The method, in upper case."""

    method: str


@dataclass(frozen=True, slots=True)
class StatusMatch:
    """The status is from `low` to `high`."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every one matches; nothing matches everything."""

    matches: tuple["Match", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of them matches."""

    matches: tuple["Match", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """It does not match."""

    match: "Match"


Match: TypeAlias = Union[PathMatch, MethodMatch, StatusMatch, AllOf, AnyOf, Not]  # noqa: UP007  # names a class below
"""Of a request (path, method) or of a response (status)."""


@dataclass(frozen=True, slots=True)
class ResponseClass:
    """Which responses count as failures, or as successes."""

    match: Match
    is_failure: bool


@dataclass(frozen=True, slots=True)
class Route:
    """Requests of one kind; the first route that matches counts."""

    name: str
    match: Match
    response_classes: tuple[ResponseClass, ...] = ()
    retryable: bool = False
    timeout: timedelta | None = None


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """How much a proxy may retry: a share of the requests and a floor a second, over `ttl`."""

    ratio: float = 0.2
    minimum: int = 10
    ttl: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class WeightedTarget:
    """An authority, as written, and its share of the traffic."""

    authority: str
    weight: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """All that a ServiceProfile says. Without a budget proxies do not retry."""

    routes: tuple[Route, ...] = ()
    budget: RetryBudget | None = field(default_factory=RetryBudget)
    targets: tuple[WeightedTarget, ...] = ()
    profile: tuple[str, str] | None = None  # namespace and name of the ServiceProfile
