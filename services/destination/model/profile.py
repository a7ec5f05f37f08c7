"""What `GetProfile` tells about a target: the state of a profile topic."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from services.destination.model.address import Address


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """How much a proxy may retry: a share of the requests and a floor a second, over `ttl`."""

    ratio: float = 0.2
    minimum: int = 10
    ttl: timedelta = timedelta(seconds=10)


DEFAULT_BUDGET: Final = RetryBudget()


@dataclass(frozen=True, slots=True)
class ServicePort:
    """The port of a service that a profile is about."""

    namespace: str
    name: str
    port: int


@dataclass(frozen=True, slots=True)
class Profile:
    """A target is a service (`name` and `service` are set), a pod (`endpoint` is set) or unknown
    to the cluster (neither)."""

    name: str = ""  # fully qualified, without port
    service: ServicePort | None = None
    opaque: bool = False
    endpoint: Address | None = None
    budget: RetryBudget | None = DEFAULT_BUDGET


EMPTY_PROFILE: Final = Profile(budget=None)
"""An entirely empty message: it makes a proxy ask the policy API, which forbids ports that a
service does not declare."""
