"""What Servers say of themselves, and how often they may be called."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from linkerd.index import Complaints, Subject, Taker
from linkerd.index.filing import put, refile
from linkerd.kube.objects import HTTPLocalRateLimitPolicy, Key, Server
from linkerd.policy.rate_limits import RateLimit, judge_rate_limit
from linkerd.policy.servers import ServerPolicy, judge_server
from services.policy.index.inbound import subjects as on
from services.policy.index.inbound.places import Place, Placed, places_of
from services.policy.index.judging import Judge
from services.policy.index.kinds import Kind
from services.policy.index.tables import Tables
from services.policy.model.mesh_settings import MeshSettings


@dataclass(frozen=True, slots=True)
class KnownServer:
    """A Server."""

    policy: ServerPolicy
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DatedLimit:
    """A rate limit that is in force. Of several the first counts: the oldest, then by name."""

    created: str
    name: str
    limit: RateLimit

    @property
    def rank(self) -> tuple[bool, str, str]:
        """Sorts the one that counts first."""
        return (not self.created, self.created, self.name)


class Servers(Tables):
    """Servers, those with certain labels by place, and the rate limits in force by Server."""

    def __init__(self, mesh: MeshSettings, complaints: Complaints) -> None:
        domain: Final = mesh.identities
        self.known: dict[Key, KnownServer] = {}
        self.placed: Placed[Key, KnownServer] = Placed()
        self._limits: dict[Key, Key] = {}  # the Servers that rate limits are for
        self._limits_of: dict[Key, dict[Key, DatedLimit]] = {}
        self._judge_server = Judge(Kind.SERVER, complaints, judge_server)
        self._judge_limit = Judge(
            Kind.RATE_LIMIT_POLICY, complaints, lambda item: judge_rate_limit(item, domain)
        )

    def takers(self) -> Mapping[Kind, Taker]:
        return {Kind.SERVER: self._take_server, Kind.RATE_LIMIT_POLICY: self._take_limit}

    def limit(self, server: Key) -> DatedLimit | None:
        """The rate limit of a Server, if it has one."""
        return min(self._limits_of.get(server, {}).values(), key=lambda e: e.rank, default=None)

    def _take_server(self, key: Key, now: Server | None) -> Iterator[Subject]:
        policy = self._judge_server(key, now)
        known = None
        if now is not None and policy is not None:
            known = KnownServer(policy, now.metadata.labels)
        before = put(self.known, key, known)
        if before == known:
            return
        if before is not None:
            self.placed.remove(key, places_of(_scope(key), before.labels))
        if known is not None:
            self.placed.place(key, known, places_of(_scope(key), known.labels))
        yield on.server(*key)

    def _take_limit(self, key: Key, now: HTTPLocalRateLimitPolicy | None) -> Iterator[Subject]:
        said = self._judge_limit(key, now)
        limit = None
        if now is not None and said is not None and _is_accepted(now):
            limit = DatedLimit(now.metadata.creation_timestamp, key.name, said)
        owner = Key(key.namespace, limit.limit.server) if limit is not None else None
        was = put(self._limits, key, owner)
        before = self._limits_of[was][key] if was is not None else None
        for server in refile(self._limits_of, key, was, owner, limit):
            if before != limit:
                yield on.rate_limits(*server)


def _scope(key: Key) -> Place:
    return (key.namespace,)


def _is_accepted(policy: HTTPLocalRateLimitPolicy) -> bool:
    conditions = policy.status.conditions
    return any(each.type == "Accepted" and each.status == "True" for each in conditions)
