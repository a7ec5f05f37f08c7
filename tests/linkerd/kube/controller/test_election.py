"""Elections: one candidate, trouble, two candidates."""

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from linkerd.kube.controller.election import Election, LeaseMetrics, LeaseTimes
from tests.support.clock import settle
from tests.support.elections import Court, Line, Store, court_of


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

    async def test_it_is_not_sure_of_it_behind_the_deadline(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A process that was stopped, and goes on: other tasks may come before the one that
        renews."""
        async with court_of("a") as (court, (a,)):
            assert a.election.surely_leading
            monkeypatch.setattr(court.clock, "monotonic", lambda: 9.9)
            assert a.election.surely_leading
            monkeypatch.setattr(court.clock, "monotonic", lambda: 10.0)
            assert (a.election.leading, a.election.surely_leading) == (True, False)
            monkeypatch.undo()
            await a.stop()
            assert not a.election.surely_leading

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


def test_times_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="renew_deadline"):
        LeaseTimes(duration=10, renew_deadline=10)


def test_a_candidate_needs_a_name() -> None:
    with pytest.raises(ValueError, match="identity"):
        Election(Line(Store()), "", metrics=LeaseMetrics(CollectorRegistry()))
