"""A reflector whose server misbehaves: garbage, silence, refusals, absence."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from linkerd.kube.client import KubeClient
from linkerd.kube.objects import Key
from linkerd.kube.reflector import Reflector
from linkerd.kube.reflector_metrics import ReflectorMetrics
from linkerd.kube.resource import JOBS
from tests.support.api_peer import ApiPeer
from tests.support.cut import CutProxy
from tests.support.eventually import eventually
from tests.support.pods import PODS, Pod
from tests.support.reflecting import Follower, ImpatientClock, reflecting

Following = AbstractAsyncContextManager[Follower[Pod]]


async def test_a_malformed_object_is_reported_once_and_kept_as_it_was(
    client: KubeClient, peer: ApiPeer, clock: ImpatientClock
) -> None:
    registry = CollectorRegistry()
    peer.put("good", status={"phase": "Running"})
    peer.put("bad", status="banana")
    with capture_logs() as logs:
        options: dict[str, Any] = {"clock": clock, "metrics": ReflectorMetrics(registry)}
        async with reflecting(client, PODS, **options) as follower:
            await peer.until_watched()
            peer.put("good", status={"phase": 5})
            for round_ in range(2, 5):  # lists show both again and again
                peer.expire_watches()
                await peer.until_watched(round_)
            assert follower.names == ["good"]
            assert follower.reflector.store[Key("ns", "good")].status.phase == "Running"
            reports = [log for log in logs if "malformed" in log["event"]]
            assert [(log["name"], log["resource_version"]) for log in reports] == [
                ("bad", "3"),
                ("good", "4"),
            ]
            labels = {"resource": "pods", "namespace": "", "cluster": "local"}
            assert (
                registry.get_sample_value("kube_reflector_malformed_objects_total", labels) == 2.0
            )
            peer.put("bad", status={"phase": "Running"})
            await follower.until(lambda f: f.names == ["bad", "good"])
            peer.put("bad", status="banana")
            peer.delete("bad")
            peer.delete("good")
            await follower.until(lambda f: f.names == [])


async def test_garbage_ends_the_watch_and_it_resumes(pods: Following, peer: ApiPeer) -> None:
    async with pods as follower:
        await peer.until_watched()
        peer.put("a")
        peer.say(b"<html>\n")
        await peer.until_watched(2)
        peer.say(b'{"type":"NEWS","object":{}}\n')
        peer.put("b")
        await follower.until(lambda f: f.names == ["a", "b"])
        assert peer.lists == 1


async def test_a_server_that_ends_watches_at_once_is_not_hammered(
    pods: Following, peer: ApiPeer, clock: ImpatientClock
) -> None:
    async with pods:
        for attempt in range(1, 40):
            await peer.until_watched(attempt)
            peer.end_watches()
        await clock.until_slept(39)
        assert set(clock.slept[6:]) == {30.0}


async def test_a_watch_that_lived_forgives_earlier_failures(
    pods: Following, peer: ApiPeer, clock: ImpatientClock
) -> None:
    async with pods as follower:
        for attempt in range(1, 40):
            await peer.until_watched(attempt)
            peer.end_watches()
        await peer.until_watched(40)
        peer.put("a")
        await follower.until(lambda f: f.names == ["a"])
        clock.skip(6)
        peer.end_watches()
        await peer.until_watched(41)
        assert len(clock.slept) == 39  # it had lived: no wait at all
        peer.end_watches()
        await clock.until_slept(40)
        assert clock.slept[-1] == 0.5


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("status", "message", "headers", "watches"),
    [
        (400, "invalid resource version", {}, 3),
        (422, "resourceVersion: Invalid value", {}, 3),
        (500, "internal error", {}, 3),
        (500, "internal error", {"Retry-After": "1"}, 3),
        (504, "Timeout: Too large resource version: 9, current: 5", {"Retry-After": "1"}, 1),
        (500, "too large resource version", {}, 1),
    ],
)
async def test_a_version_that_is_refused_again_and_again_is_left_for_a_list(
    pods: Following,
    peer: ApiPeer,
    *,
    late: bool,
    status: int,
    message: str,
    headers: dict[str, str],
    watches: int,
) -> None:
    """As after a bookmark whose version another replica of the server, or a proxy, rejects."""
    async with pods as follower:
        await peer.until_watched()
        peer.put("a")
        peer.bookmark()
        await follower.until(lambda f: f.names == ["a"])
        peer.disown(status, message, headers, late=late)
        peer.put("b")
        await follower.until(lambda f: f.names == ["a", "b"])
        await peer.until_watched(watches + 2)
        assert peer.lists == 2
        assert len(set(peer.watches[1:-1])) == 1


async def test_a_version_after_which_only_garbage_comes_is_left_for_a_list(
    pods: Following, peer: ApiPeer
) -> None:
    async with pods as follower:
        for attempt in range(1, 4):
            await peer.until_watched(attempt)
            assert peer.lists == 1
            peer.say(b"<html>\n")
        peer.put("a")
        await follower.until(lambda f: f.names == ["a"])
        assert peer.lists == 2


@pytest.mark.parametrize("status", [401, 403, 404, 429, 503])
async def test_what_says_nothing_of_the_version_lets_nobody_list(
    pods: Following, peer: ApiPeer, status: int
) -> None:
    async with pods as follower:
        await peer.until_watched()
        for _ in range(20):
            peer.refuse(status, "Because")
        peer.end_watches()
        await eventually(lambda: not peer.refusals, "all refusals being heard")
        peer.put("a")
        await follower.until(lambda f: f.names == ["a"])
        assert peer.lists == 1


async def test_retry_after_is_honoured(
    client: KubeClient, peer: ApiPeer, clock: ImpatientClock
) -> None:
    peer.refuse(429, "TooManyRequests", **{"Retry-After": "9"})
    async with reflecting(client, PODS, clock=clock) as follower:
        await follower.reflector.wait_synced()
        assert 9.0 <= clock.slept[0] <= 9.5


async def test_the_store_outlives_the_server_and_its_age_grows(
    peer: ApiPeer, proxy: CutProxy, client: KubeClient, clock: ImpatientClock
) -> None:
    registry = CollectorRegistry()
    options: dict[str, Any] = {"clock": clock, "metrics": ReflectorMetrics(registry)}
    peer.put("a")
    async with reflecting(client, PODS, **options) as follower:
        await peer.until_watched()
        await proxy.cut()
        peer.put("b")
        await clock.until_slept(20)
        assert follower.names == ["a"]
        labels = {"resource": "pods", "namespace": "", "cluster": "local"}
        age = registry.get_sample_value("kube_reflector_age_seconds", labels)
        assert age is not None
        assert age >= sum(clock.slept[:20])
        assert registry.get_sample_value("kube_reflector_objects", labels) == 1
        proxy.heal()
        await follower.until(lambda f: f.names == ["a", "b"])
        assert follower.reflector.age_seconds < 5
        assert peer.lists == 1
        assert peer.watches == ["2", "2"]
        assert len(follower.events) == 2


async def test_a_stalled_watch_is_noticed(
    peer: ApiPeer, proxy: CutProxy, client: KubeClient, clock: ImpatientClock
) -> None:
    async with reflecting(client, PODS, clock=clock, idle_timeout=0.2) as follower:
        await peer.until_watched()
        proxy.stall()
        peer.put("a")
        accepted = proxy.accepted
        await proxy.until(lambda p: p.accepted > accepted)
        proxy.heal()
        await follower.until(lambda f: f.names == ["a"])
        assert peer.lists == 1


async def test_troubles_are_logged_when_they_begin_and_end(
    client: KubeClient, peer: ApiPeer, clock: ImpatientClock
) -> None:
    for _ in range(5):
        peer.refuse(503, "ServiceUnavailable")
    with capture_logs() as logs:
        async with reflecting(client, PODS, clock=clock) as follower:
            await follower.reflector.wait_synced()
    levels = [log["log_level"] for log in logs if "resource" in log]
    assert levels[:6] == ["warning", "debug", "debug", "debug", "debug", "info"]


async def test_a_missing_resource_may_count_as_empty(
    client: KubeClient, peer: ApiPeer, clock: ImpatientClock
) -> None:
    async with reflecting(client, JOBS.dispensable(), clock=clock) as follower:
        await follower.reflector.wait_synced()
        assert follower.names == []
    async with reflecting(client, JOBS, clock=clock) as strict:
        await clock.until_slept(6)
        assert not strict.reflector.synced


async def test_what_the_listener_raises_ends_it(client: KubeClient, peer: ApiPeer) -> None:
    def fail(_events: object) -> None:
        raise LookupError("the index is broken")

    peer.put("a")
    with pytest.raises(LookupError, match="the index is broken"):
        async with asyncio.timeout(10):
            await Reflector(client, PODS, fail).run()


@pytest.fixture(autouse=True)
async def _plain_logs() -> AsyncIterator[None]:
    """Loggers bound while logs are captured must not outlive the test's configuration."""
    yield
    structlog.reset_defaults()
