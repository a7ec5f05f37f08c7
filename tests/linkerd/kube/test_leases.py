"""Elections over a store of the test's own, in time that the test moves."""

import asyncio
import copy
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from linkerd.kube.errors import Conflict, Forbidden, NotFound, Unreachable
from linkerd.kube.lease_lock import Document
from linkerd.kube.leases import Election, LeaseMetrics, LeaseTimes
from linkerd.testing.clock import FakeClock, settle


class Store:
    """A Lease on a server."""

    def __init__(self) -> None:
        self.lease: Document | None = None
        self.version = 0
        self.writes = 0

    @property
    def holder(self) -> str:
        return str(self.lease["spec"]["holderIdentity"]) if self.lease else ""

    def write(self, lease: Document) -> Document:
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
            random=Random(identity),
        )
        self.task = asyncio.create_task(self.election.run(self.lead))

    async def lead(self) -> None:
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


class TestOneCandidate:
    async def test_it_leads_and_writes_who_it_is(self) -> None:
        async with court_of("a") as (court, (a,)):
            assert court.ruling == ["a"]
            assert (a.election.leading, a.gauge) == (True, 1)
            assert court.store.lease is not None
            assert court.store.lease["spec"] == {
                "holderIdentity": "a",
                "leaseDurationSeconds": 30,
                "acquireTime": "2030-01-01T00:00:00.000000Z",
                "renewTime": "2030-01-01T00:00:00.000000Z",
                "leaseTransitions": 0,
            }

    async def test_it_renews_every_two_seconds_with_one_request(self) -> None:
        async with court_of("a") as (court, (a,)):
            a.line.requests.clear()
            await court.clock.advance(60)
            assert set(a.line.requests) == {"replace"}
            assert 25 <= len(a.line.requests) <= 30  # 2 to 2.4 s each
            assert court.store.lease is not None
            spec = court.store.lease["spec"]
            assert spec["acquireTime"] == "2030-01-01T00:00:00.000000Z"
            assert spec["renewTime"] > "2030-01-01T00:00:57"
            assert spec["leaseTransitions"] == 0
            assert court.reigns == ["a"]

    async def test_it_gives_the_lease_back(self) -> None:
        async with court_of("a") as (court, (a,)):
            await a.stop()
            assert court.store.holder == ""
            assert court.ruling == []
            assert (a.election.leading, a.gauge) == (False, 0)

    async def test_what_others_wrote_on_it_stays(self) -> None:
        async with court_of("a") as (court, (a,)):
            assert court.store.lease is not None
            court.store.lease["metadata"]["annotations"] = {"note": "mine"}
            court.store.edit(strategy="OldestEmulationVersion")
            await court.clock.advance(10)
            await a.stop()
            assert court.store.lease["metadata"]["annotations"] == {"note": "mine"}
            assert court.store.lease["spec"]["strategy"] == "OldestEmulationVersion"
            assert court.reigns == ["a"]

    async def test_a_deleted_lease_is_made_again(self) -> None:
        async with court_of("a") as (court, _):
            court.store.lease = None
            await court.clock.advance(6)
            assert court.store.holder == "a"
            assert court.reigns == ["a"]

    async def test_work_that_ends_gives_the_lease_back_and_is_begun_again(self) -> None:
        async with court_of("a") as (court, (a,)):
            a.done.set()
            await settle()
            assert (court.ruling, court.store.holder) == ([], "")
            a.done.clear()
            await court.clock.advance(3)
            assert court.ruling == ["a"]

    async def test_what_the_work_raises_is_raised(self) -> None:
        court = Court()
        candidate = court.candidate("a")
        candidate.task.cancel()

        async def fail() -> None:
            raise RuntimeError("broken")

        with pytest.raises(RuntimeError, match="broken"):
            await candidate.election.run(fail)
        assert court.store.holder == ""


class TestTrouble:
    @pytest.mark.parametrize("state", ["refused", "stalled", "deaf", "forbidden"])
    async def test_the_server_away_costs_leadership_after_the_renew_deadline(
        self, state: str
    ) -> None:
        async with court_of("a") as (court, (a,)):
            await court.clock.advance(3)
            a.line.state = state
            await court.clock.advance(7)
            assert a.gauge == 1
            await court.clock.advance(6)
            assert a.gauge == 0
            assert court.ruling == []
            assert not a.task.done()
            await court.clock.advance(600)
            a.line.state = "ok"
            await court.clock.advance(15)
            assert court.ruling == ["a"]
            assert court.reigns == ["a", "a"]

    async def test_a_short_outage_costs_nothing(self) -> None:
        async with court_of("a") as (court, (a,)):
            for state in ("refused", "deaf", "stalled"):
                a.line.state = state
                await court.clock.advance(4)
                a.line.state = "ok"
                await court.clock.advance(9)
            assert court.reigns == ["a"]
            assert a.election.leading

    async def test_trouble_is_logged_when_it_begins(self) -> None:
        with capture_logs() as logs:
            async with court_of() as (court, _):
                a = court.candidate("a")
                a.line.state = "refused"
                await court.clock.advance(60)
                a.line.state = "ok"
                await court.clock.advance(5)
                await a.stop()
        said = [(entry["log_level"], entry["event"]) for entry in logs]
        assert [what for level, what in said if level == "warning"] == [
            "the Lease can be neither read nor written; trying again"
        ]
        assert ("info", "leading") in said

    async def test_somebody_who_takes_it_by_force_ends_our_reign_at_once(self) -> None:
        async with court_of("a") as (court, (a,)):
            court.store.edit(holderIdentity="b", leaseDurationSeconds=30)
            await court.clock.advance(5)
            assert not a.election.leading
            assert court.store.holder == "b"
            await court.clock.advance(20)
            assert court.ruling == []
            await court.clock.advance(15)
            assert court.ruling == ["a"]
            assert court.store.lease is not None
            assert court.store.lease["spec"]["leaseTransitions"] == 1


class TestTwoCandidates:
    async def test_the_second_waits(self) -> None:
        with capture_logs() as logs:
            async with court_of("a", "b") as (court, (_, b)):
                await court.clock.advance(300)
                assert court.reigns == ["a"]
                assert b.gauge == 0
        waits = [e for e in logs if e["event"] == "another replica leads"]
        assert [entry["detail"] for entry in waits] == ["a"]

    async def test_an_orderly_end_hands_over_within_a_retry(self) -> None:
        async with court_of("a", "b") as (court, (a, _)):
            await court.clock.advance(60)
            await a.stop()
            await court.clock.advance(2.5)
            assert court.ruling == ["b"]
            assert court.store.lease is not None
            assert court.store.lease["spec"]["leaseTransitions"] == 1

    async def test_a_killed_leader_is_replaced_when_its_lease_has_run_out(self) -> None:
        async with court_of("a", "b") as (court, (a, _)):
            await court.clock.advance(60)
            await a.kill()
            await court.clock.advance(27)
            assert court.ruling == []
            await court.clock.advance(8)
            assert court.ruling == ["b"]

    async def test_timestamps_of_others_mean_nothing(self) -> None:
        """A holder whose clock is wrong by years is neither expired nor immortal."""
        for stamp in ("1999-01-01T00:00:00.000000Z", "2099-01-01T00:00:00.000000Z"):
            court = Court()
            spec = {"holderIdentity": "x", "leaseDurationSeconds": 30, "renewTime": stamp}
            court.store.write({"metadata": {}, "spec": spec})
            court.candidate("b")
            await court.clock.advance(29)
            assert court.ruling == []
            await court.clock.advance(4)
            assert court.ruling == ["b"]
            await court.close()

    async def test_the_holders_own_duration_counts(self) -> None:
        async with court_of() as (court, _):
            spec = {"holderIdentity": "x", "leaseDurationSeconds": 100}
            court.store.write({"metadata": {}, "spec": spec})
            b = court.candidate("b")
            await court.clock.advance(99)
            assert court.ruling == []
            await court.clock.advance(4)
            assert court.ruling == ["b"]
            await b.stop()

    async def test_a_record_without_anything_is_free(self) -> None:
        async with court_of() as (court, _):
            court.store.write({"metadata": {}})
            b = court.candidate("b")
            await settle()
            assert court.ruling == ["b"]
            await b.stop()

    async def test_its_own_name_is_taken_up_at_once(self) -> None:
        """As after a restart of the container within its pod."""
        async with court_of("a") as (court, (a,)):
            await a.kill()
            again = court.candidate("a")
            await settle()
            assert court.ruling == ["a"]
            await again.stop()

    async def test_of_two_who_find_no_lease_one_leads(self) -> None:
        court = Court()
        for name in "ab":
            court.candidate(name)
        await court.clock.advance(20)
        assert len(court.reigns) == 1
        await court.close()


_STATES = st.sampled_from(["ok", "ok", "ok", "refused", "stalled", "deaf"])
_STEP = st.one_of(
    st.tuples(st.just("advance"), st.floats(0.1, 45)),
    st.tuples(st.just("line"), st.integers(0, 2), _STATES),
    st.tuples(st.just("stop"), st.integers(0, 2)),
    st.tuples(st.just("kill"), st.integers(0, 2)),
    st.tuples(st.just("touch")),
    st.tuples(st.just("delete")),
)


@hypothesis_settings(max_examples=60, deadline=None)
@given(st.lists(_STEP, max_size=25), st.floats(0, 15))
def test_never_two_leaders_and_always_one_in_the_end(
    steps: Sequence[tuple[Any, ...]], slow: float
) -> None:
    """Three replicas whose lines break and whose processes end and come again. Deleting the Lease
    while somebody leads is a way to have two, so it happens only when nobody does."""
    asyncio.run(_live_through(steps, slow))


async def _live_through(steps: Sequence[tuple[Any, ...]], slow: float) -> None:
    court = Court()
    try:
        await _check(court, steps, slow)
    finally:
        await court.close()
    assert court.store.holder == ""


async def _check(court: Court, steps: Sequence[tuple[Any, ...]], slow: float) -> None:
    candidates = [court.candidate(name, slow=slow) for name in "abc"]
    for step in steps:
        await _do(step, court, candidates, slow)
        assert len(court.ruling) <= 1, step
    for candidate in candidates:
        candidate.line.state = "ok"
    await court.clock.advance(120)
    assert len(court.ruling) == 1
    assert court.most == 1
    assert court.store.holder == court.ruling[0]


async def _do(
    step: tuple[Any, ...], court: Court, candidates: list[Candidate], slow: float
) -> None:
    match step:
        case ("advance", seconds):
            await court.clock.advance(seconds)
        case ("line", index, state):
            candidates[index].line.state = state
        case ("stop" | "kill" as how, index):
            old = candidates[index]
            end = asyncio.ensure_future(old.stop() if how == "stop" else old.kill())
            await court.clock.advance(20)
            await end
            name = f"{old.identity}+"
            candidates[index] = court.candidate(name, slow=slow)
        case ("touch",):
            if court.store.lease is not None:
                court.store.write(court.store.lease)
        case ("delete",):
            if not court.ruling:
                court.store.lease = None


def test_times_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="renew_deadline"):
        LeaseTimes(duration=10, renew_deadline=10)


def test_a_candidate_needs_a_name() -> None:
    with pytest.raises(ValueError, match="identity"):
        Election(Line(Store()), "", metrics=LeaseMetrics(CollectorRegistry()))
