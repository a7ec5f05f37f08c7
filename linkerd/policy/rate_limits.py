"""HTTPLocalRateLimitPolicies: how many requests a second a Server's port takes."""

from dataclasses import dataclass
from typing import Final

from linkerd.kube.objects import HTTPLocalRateLimitPolicy, Limit, Override, Reference
from linkerd.mesh.names import IdentityDomain
from linkerd.policy.errors import PolicyError, shown
from linkerd.policy.identities import Identity, service_account_identity
from linkerd.policy.references import SERVER, SERVICE_ACCOUNT, GroupKind

_MAX: Final = 2**32 - 1
_RATE: Final = "requestsPerSecond"


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


def judge_rate_limit(
    policy: HTTPLocalRateLimitPolicy, domain: IdentityDomain
) -> tuple[RateLimit | None, list[PolicyError]]:
    """What it limits, and its faults. One that is for no Server limits nothing; any other fault
    takes with it only the part that it is in, and a part that is larger than the whole takes
    nothing."""
    spec = policy.spec
    if not SERVER.is_named(spec.target_ref.group, spec.target_ref.kind):
        what = shown(str(GroupKind(spec.target_ref.group, spec.target_ref.kind)))
        return None, [PolicyError("spec.targetRef.kind", f"{what} is not {SERVER}")]
    if not spec.target_ref.name:
        return None, [PolicyError("spec.targetRef.name", "must be there")]
    faults: list[PolicyError] = []
    total = _limit(spec.total, "spec.total", faults)
    identity = _limit(spec.identity, "spec.identity", faults)
    _compare(identity, total, "spec.identity", faults)
    overrides = []
    for number, item in enumerate(spec.overrides):
        field = f"spec.overrides[{number}]"
        limit = _limit(item, field, faults)
        _compare(limit, total, field, faults)
        clients = _clients(item, field, policy.metadata.namespace, domain, faults)
        if limit is not None and clients:
            overrides.append(RateLimitOverride(limit, clients))
    return RateLimit(spec.target_ref.name, total, identity, tuple(overrides)), faults


def _limit(limit: Limit | Override | None, field: str, faults: list[PolicyError]) -> int | None:
    if limit is None:
        return None
    if not 0 < limit.requests_per_second <= _MAX:
        problem = f"{limit.requests_per_second} must be a number from 1 to {_MAX}"
        faults.append(PolicyError(f"{field}.{_RATE}", problem))
        return None
    return limit.requests_per_second


def _compare(limit: int | None, total: int | None, field: str, faults: list[PolicyError]) -> None:
    if limit is not None and total is not None and limit > total:
        problem = f"{limit} must not be more than spec.total.{_RATE}, which is {total}"
        faults.append(PolicyError(f"{field}.{_RATE}", problem))


def _clients(
    item: Override, field: str, own: str, domain: IdentityDomain, faults: list[PolicyError]
) -> tuple[Identity, ...]:
    clients = []
    for number, reference in enumerate(item.client_refs):
        try:
            clients.append(_client(reference, f"{field}.clientRefs[{number}]", own, domain))
        except PolicyError as fault:
            faults.append(fault)
    return tuple(clients)


def _client(reference: Reference, field: str, own: str, domain: IdentityDomain) -> Identity:
    if not SERVICE_ACCOUNT.is_named(reference.group, reference.kind):
        what = shown(str(GroupKind(reference.group, reference.kind)))
        raise PolicyError(f"{field}.kind", f"{what} is not {SERVICE_ACCOUNT}")
    if not reference.name:
        raise PolicyError(f"{field}.name", "must be there")
    return service_account_identity(reference.name, reference.namespace or own, domain)
