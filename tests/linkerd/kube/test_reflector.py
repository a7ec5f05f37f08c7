"""Lists and watches against a server that misbehaves on purpose."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from random import Random
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from linkerd.kube import reflector as module
from linkerd.kube.client import KubeClient
from linkerd.kube.events import Applied, Deleted
from linkerd.kube.objects import Key, Pod
from linkerd.kube.reflector import Reflector
from linkerd.kube.reflector_metrics import ReflectorMetrics
from linkerd.kube.resource import JOBS, PODS
from linkerd.testing.api_peer import ApiPeer
from linkerd.testing.cut import CutProxy
from linkerd.testing.reflecting import Follower, ImpatientClock, reflecting


@pytest.fixture
def clock() -> ImpatientClock:
    """Nobody waits for a backoff."""
    return ImpatientClock()


@pytest.fixture
def pods(client: KubeClient, clock: ImpatientClock) -> AbstractAsyncContextManager[Follower[Pod]]:
    """A reflector of the peer's pods, to be run with `async with`."""
    return reflecting(client, PODS, clock=clock, random=_NoJitter())


class _NoJitter(Random):
    def uniform(self, a: float, b: float) -> float:
        return b


Following = AbstractAsyncContextManager[Follower[Pod]]


async def test_list_then_watch(pods: Following, peer: ApiPeer) -> None:
    peer.put("a")
    peer.put("b")
    async with pods as follower:
        assert not follower.reflector.synced
        await follower.reflector.wait_synced()
        assert follower.names == ["a", "b"]
        peer.put("c")
        peer.put("a", status={"phase": "Running"})
        peer.delete("b")
        await follower.until(lambda f: f.names == ["a", "c"])
        assert follower.reflector.store == follower.replayed
        assert follower.replayed[Key("ns", "a")].status.phase == "Running"
        assert peer.lists == 1
        assert peer.watches == ["3"]
        assert peer.queries[-1]["allowWatchBookmarks"] == "true"
        assert 300 <= int(peer.queries[-1]["timeoutSeconds"]) <= 600


async def test_pages(pods: Following, peer: ApiPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 10)
    monkeypatch.setattr(module, "_SLICE", 4)
    for number in range(35):
        peer.put(f"p{number:02}")
    async with pods as follower:
        await follower.reflector.wait_synced()
        assert len(follower.names) == 35
        assert (peer.lists, peer.pages) == (1, 4)
        assert max(map(len, follower.batches)) == 4


async def test_one_read_is_one_batch(pods: Following, peer: ApiPeer) -> None:
    async with pods as follower:
        await follower.reflector.wait_synced()
        await peer.until_watched()
        before = len(follower.batches)
        for number in range(20):
            peer.put(f"p{number:02}")
        await follower.until(lambda f: len(f.names) == 20)
        assert len(follower.batches) == before + 1


async def test_an_expired_continue_token_begins_the_list_again(
    pods: Following, peer: ApiPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    for name in "abcde":
        peer.put(name)
    peer.expired_tokens = 1
    async with pods as follower:
        await follower.reflector.wait_synced()
        assert follower.names == list("abcde")
        assert peer.lists == 2
        assert len(follower.events) == 5


async def test_a_watch_that_ends_resumes_where_it_was(pods: Following, peer: ApiPeer) -> None:
    peer.put("a")
    async with pods as follower:
        await peer.until_watched()
        peer.put("b")
        await follower.until(lambda f: f.names == ["a", "b"])
        peer.end_watches()
        await peer.until_watched(2)
        peer.put("c")
        await follower.until(lambda f: f.names == ["a", "b", "c"])
        assert peer.lists == 1
        assert peer.watches == ["2", "3"]
        assert len(follower.events) == 3


async def test_bookmarks_move_the_version(pods: Following, peer: ApiPeer) -> None:
    async with pods as follower:
        await peer.until_watched()
        peer.bookmark()
        peer.bookmark()
        peer.end_watches()
        await peer.until_watched(2)
        assert peer.watches == ["1", "3"]
        assert follower.events == []


async def test_every_event_moves_the_version(pods: Following, peer: ApiPeer) -> None:
    peer.put("a")
    async with pods as follower:
        await peer.until_watched()
        peer.delete("a")
        await follower.until(lambda f: len(f.events) == 2)
        peer.end_watches()
        await peer.until_watched(2)
        peer.put("malformed", status="banana")
        peer.say(b'{"type":"NEWS","object":{}}\n')
        peer.end_watches()
        await peer.until_watched(3)
        assert peer.watches == ["2", "3", "4"]


async def test_410_as_an_event_lists_again_and_tells_only_differences(
    pods: Following, peer: ApiPeer
) -> None:
    for name in "abc":
        peer.put(name)
    async with pods as follower:
        await peer.until_watched()
        before = len(follower.events)
        peer.expire_watches()
        peer.delete("a")  # the watch is over: nobody hears of these
        peer.put("b", status={"phase": "Running"})
        peer.put("d")
        peer.compact()
        await follower.until(lambda f: f.names == ["b", "c", "d"])
        await peer.until_watched(2)
        told = [(type(e), e.object.metadata.name) for e in follower.events[before:]]
        assert sorted(told, key=str) == sorted(
            [(Applied, "b"), (Applied, "d"), (Deleted, "a")], key=str
        )
        assert peer.lists == 2


async def test_410_as_a_status_lists_again(pods: Following, peer: ApiPeer) -> None:
    peer.put("a")
    async with pods as follower:
        await peer.until_watched()
        peer.end_watches()
        peer.put("b")
        peer.delete("b")
        peer.compact()
        await peer.until_watched(3)  # the second is refused
        assert peer.watches == ["2", "2", "4"]
        assert peer.lists == 2
        assert follower.names == ["a"]


async def test_410_after_an_outage_does_not_wait_as_long_as_the_outage_made_us(
    pods: Following, peer: ApiPeer, proxy: CutProxy, clock: ImpatientClock
) -> None:
    async with pods as follower:
        await peer.until_watched()
        await proxy.cut()
        peer.put("a")
        peer.put("b")
        peer.compact()
        await clock.until_slept(20)
        proxy.heal()
        await follower.until(lambda f: f.names == ["a", "b"])
        assert clock.slept[-1] == 0.5


async def test_endless_410s_are_not_hammered(
    pods: Following, peer: ApiPeer, clock: ImpatientClock
) -> None:
    for _ in range(40):
        peer.refuse(410, "Expired")
    async with pods as follower:
        await follower.reflector.wait_synced()
        assert set(clock.slept[6:40]) == {30.0}
        peer.put("a")
        await follower.until(lambda f: f.names == ["a"])
        clock.skip(6)
        peer.expire_watches()
        await peer.until_watched(2)
        assert clock.slept[-1] == 0.5  # the watch had lived: forgiven


async def test_events_before_an_error_are_kept(pods: Following, peer: ApiPeer) -> None:
    async with pods as follower:
        await peer.until_watched()
        peer.put("a")
        peer.say(_error(500, "InternalError"))
        peer.end_watches()
        await peer.until_watched(2)
        assert follower.names == ["a"]
        assert peer.watches == ["1", "2"]
        assert peer.lists == 1


async def test_a_version_from_the_future_lists_again(pods: Following, peer: ApiPeer) -> None:
    async with pods:
        await peer.until_watched()
        peer.say(_error(504, "Timeout", "Too large resource version: 9, current: 5"))
        peer.end_watches()
        await peer.until_watched(2)
        assert peer.lists == 2


async def test_recreated_under_the_same_name_between_lists(pods: Following, peer: ApiPeer) -> None:
    peer.put("a")
    async with pods as follower:
        await peer.until_watched()
        peer.expire_watches()
        peer.delete("a")
        peer.put("a")
        peer.compact()
        await peer.until_watched(2)
        assert [type(event) for event in follower.events] == [Applied, Deleted, Applied]


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
    async with reflecting(client, JOBS, clock=clock, missing_ok=True) as follower:
        await follower.reflector.wait_synced()
        assert follower.names == []
    async with reflecting(client, JOBS, clock=clock) as strict:
        await clock.until_slept(6)
        assert not strict.reflector.synced


async def test_selectors_and_namespace(client: KubeClient, peer: ApiPeer) -> None:
    options = {"label_selector": "a=b", "field_selector": "metadata.name=x"}
    async with reflecting(client, PODS, **options) as follower:
        await follower.reflector.wait_synced()
        await peer.until_watched()
    for query in peer.queries:
        assert query["labelSelector"] == "a=b"
        assert query["fieldSelector"] == "metadata.name=x"


async def test_what_the_listener_raises_ends_it(client: KubeClient, peer: ApiPeer) -> None:
    def fail(_events: object) -> None:
        raise LookupError("the index is broken")

    peer.put("a")
    with pytest.raises(LookupError, match="the index is broken"):
        async with asyncio.timeout(10):
            await Reflector(client, PODS, fail).run()


def _error(code: int, reason: str, message: str = "m") -> bytes:
    status = {"kind": "Status", "code": code, "reason": reason, "message": message}
    return json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"


@pytest.fixture(autouse=True)
async def _plain_logs() -> AsyncIterator[None]:
    """Loggers bound while logs are captured must not outlive the test's configuration."""
    yield
    structlog.reset_defaults()
