"""HTTPLocalRateLimitPolicies: how many requests a second a Server's port takes."""

from dataclasses import dataclass

from linkerd.policy.identities import Identity


@dataclass(frozen=True, slots=True)
class RateLimitOverride:
    """The limit of some clients, in requests a second."""

    limit: int
    clients: tuple[Identity, ...]


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Limits in requests a second: of all clients together, and of each. None: no limit."""

    server: str
    total: int | None = None
    identity: int | None = None
    overrides: tuple[RateLimitOverride, ...] = ()
