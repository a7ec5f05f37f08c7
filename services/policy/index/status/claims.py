"""Who wants the same thing, and who comes first."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from linkerd.kube.objects import HTTPLocalRateLimitPolicy
from linkerd.policy.parents import Parent
from linkerd.policy.references import SERVER
from services.policy.index.kinds import Kind
from services.policy.index.status.names import StatusKey, Target

_RANKS: Final[Mapping[str, int]] = {
    Kind.GRPC_ROUTE.value: 0,
    Kind.HTTP_ROUTE.value: 1,
    Kind.GATEWAY_HTTP_ROUTE.value: 1,
    Kind.TLS_ROUTE.value: 2,
    Kind.TCP_ROUTE.value: 3,
}


class RouteClaims:
    """Which routes refer to each part of a parent. Those of different kinds cannot share one: of
    gRPC come before those of HTTP, of TLS and of TCP, whatever their age and whether or not they
    are accepted."""

    def __init__(self) -> None:
        self._of: dict[Parent, dict[int, dict[StatusKey, None]]] = {}

    def __len__(self) -> int:
        return len(self._of)

    def add(self, route: StatusKey, part: Parent) -> Iterator[StatusKey]:
        """A route refers to it from now on; those that this puts out of place."""
        ranks = self._of.setdefault(part, {})
        rank = _RANKS[route.kind]
        if rank not in ranks:
            ranks[rank] = {}
            yield from _below(ranks, rank)
        ranks[rank][route] = None

    def remove(self, route: StatusKey, part: Parent) -> Iterator[StatusKey]:
        """A route refers to it no more; those that may come into its place."""
        ranks = self._of[part]
        rank = _RANKS[route.kind]
        del ranks[rank][route]
        if not ranks[rank]:
            del ranks[rank]
            yield from _below(ranks, rank)
        if not ranks:
            del self._of[part]

    def is_taken(self, part: Parent, route: StatusKey) -> bool:
        """Whether routes of a kind that comes before this one's refer to it."""
        return any(rank < _RANKS[route.kind] for rank in self._of.get(part, ()))


def _below(ranks: Mapping[int, Mapping[StatusKey, None]], rank: int) -> Iterator[StatusKey]:
    for other, routes in ranks.items():
        if other > rank:
            yield from routes


class LimitClaim(NamedTuple):
    """What a rate limit is for. Of several the oldest counts, then the name."""

    server: Target
    is_undated: bool
    created: str
    name: str


def limit_claim(policy: HTTPLocalRateLimitPolicy) -> LimitClaim | None:
    """The claim of a rate limit; None if it is for no Server."""
    reference, metadata = policy.spec.target_ref, policy.metadata
    if not SERVER.is_named(reference.group, reference.kind):
        return None
    created = metadata.creation_timestamp
    server = Target(SERVER, metadata.namespace, reference.name)
    return LimitClaim(server, not created, created, metadata.name)


class LimitClaims:
    """Which rate limits are for each Server."""

    def __init__(self) -> None:
        self._of: dict[Target, dict[LimitClaim, None]] = {}

    def __len__(self) -> int:
        return len(self._of)

    def replace(self, before: LimitClaim | None, now: LimitClaim | None) -> Iterator[StatusKey]:
        """A rate limit has another claim; those that came first, and those that do now."""
        servers = {claim.server for claim in (before, now) if claim is not None}
        was = {self._first(server) for server in servers}
        if before is not None:
            rest = self._of[before.server]
            del rest[before]
            if not rest:
                del self._of[before.server]
        if now is not None:
            self._of.setdefault(now.server, {})[now] = None
        for claim in was ^ {self._first(server) for server in servers}:
            if claim is not None:
                yield StatusKey(Kind.RATE_LIMIT_POLICY.value, claim.server.namespace, claim.name)

    def is_first(self, claim: LimitClaim) -> bool:
        """Whether no other comes before it."""
        return self._first(claim.server) == claim

    def _first(self, server: Target) -> LimitClaim | None:
        return min(self._of.get(server, ()), default=None)
