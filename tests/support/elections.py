"""Elections over a store of the test's own, in time that the test moves."""

import asyncio
import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from prometheus_client import CollectorRegistry

from linkerd.kube.controller.election import Election, LeaseMetrics, LeaseTimes
from linkerd.kube.controller.lease import Document
from linkerd.kube.errors import Conflict, Forbidden, NotFound, Unreachable
from tests.support.clock import FakeClock, settle

QUICK: Final = LeaseTimes(duration=4.0, renew_deadline=1.5, retry=0.2)
"""Of elections on a real server; whole seconds of duration, as a Lease has."""


class Store:
    """A Lease on a server."""

    def __init__(self) -> None:
        self.lease: Document | None = None
        self.version = 0
        self.writes = 0

    @property
    def holder(self) -> str:
        """Who the record says holds it."""
        return str(self.lease["spec"]["holderIdentity"]) if self.lease else ""

    def write(self, lease: Document) -> Document:
        """Stores it as the next version."""
        self.version += 1
        self.writes += 1
        metadata = {**lease.get("metadata", {}), "resourceVersion": str(self.version)}
        self.lease = copy.deepcopy({**lease, "metadata": metadata})
        return copy.deepcopy(self.lease)

    def edit(self, **spec: Any) -> None:
        """Somebody writes into the record."""
        lease = self.lease or {"spec": {}}
        self.write({**lease, "spec": {**lease["spec"], **spec}})


@dataclass
class Line:
    """A candidate's way to the store, a `Lock`. `state`: ok, refused, stalled, or deaf (requests
    arrive, answers do not)."""

    store: Store
    state: str = "ok"
    name: str = "who-writes"
    requests: list[str] = field(default_factory=list)

    async def read(self) -> Document:
        await self._travel("read")
        lease = self.store.lease
        if lease is None:
            raise NotFound(404, "NotFound", "no lease")
        return await self._answer(copy.deepcopy(lease))

    async def create(self, spec: Document) -> Document:
        await self._travel("create")
        if self.store.lease is not None:
            raise Conflict(409, "AlreadyExists", "it is there")
        return await self._answer(self.store.write({"metadata": {}, "spec": spec}))

    async def replace(self, lease: Document) -> Document:
        await self._travel("replace")
        if self.store.lease is None:
            raise NotFound(404, "NotFound", "no lease")
        if lease["metadata"]["resourceVersion"] != str(self.store.version):
            raise Conflict(409, "Conflict", "changed meanwhile")
        return await self._answer(self.store.write(lease))

    async def _travel(self, what: str) -> None:
        self.requests.append(what)
        await asyncio.sleep(0)
        if self.state == "refused":
            raise Unreachable("refused")
        if self.state == "forbidden":
            raise Forbidden(403, "Forbidden", "you may not")
        if self.state == "stalled":
            await asyncio.Event().wait()

    async def _answer(self, lease: Document) -> Document:
        if self.state == "deaf":
            raise Unreachable("reset")
        return lease


class Court:
    """All candidates of one Lease; counts who leads at any time."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = Store()
        self.ruling: list[str] = []
        self.most = 0
        self.reigns: list[str] = []

        self.candidates: list[Candidate] = []

    def candidate(self, identity: str, **options: Any) -> "Candidate":
        """One more, from now on."""
        made = Candidate(self, identity, **options)
        self.candidates.append(made)
        return made

    async def close(self) -> None:
        """Ends all who are left, with a server that answers."""
        self.clock.rush()
        for candidate in self.candidates:
            candidate.line.state = "ok"
        for candidate in self.candidates:
            await candidate.stop()


class Candidate:
    """A replica; `slow` is how many seconds its work takes to end."""

    def __init__(self, court: Court, identity: str, *, slow: float = 0.0) -> None:
        self.court = court
        self.identity = identity
        self.line = Line(court.store)
        self.slow = slow
        self.done = asyncio.Event()  # the work ends by itself
        self.registry = CollectorRegistry()
        self.election = Election(
            self.line,
            identity,
            metrics=LeaseMetrics(self.registry),
            clock=court.clock,
            random=Random(identity),  # jitter that repeats
        )
        self.task = asyncio.create_task(self.election.run(self.lead))

    async def lead(self) -> None:
        """What it does while it leads."""
        court = self.court
        court.ruling.append(self.identity)
        court.reigns.append(self.identity)
        court.most = max(court.most, len(court.ruling))
        try:
            await self.done.wait()
        finally:
            try:
                await court.clock.sleep(self.slow)
            finally:
                court.ruling.remove(self.identity)

    async def stop(self) -> None:
        """An orderly end."""
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task

    async def kill(self) -> None:
        """Its end without a word to the server."""
        self.line.state = "refused"
        await self.stop()

    @property
    def gauge(self) -> float | None:
        """What its metric says."""
        labels = {"name": "who-writes"}
        return self.registry.get_sample_value("leader_election_master_status", labels)


@asynccontextmanager
async def court_of(*identities: str) -> AsyncIterator[tuple[Court, list[Candidate]]]:
    """A court whose candidates came in this order."""
    court = Court()
    candidates = []
    for identity in identities:
        candidates.append(court.candidate(identity))
        await settle()
    try:
        yield court, candidates
    finally:
        await court.close()
