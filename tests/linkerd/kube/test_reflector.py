"""Lists and watches against a server that misbehaves on purpose."""

import json
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.kube import reflector as module
from linkerd.kube.client import KubeClient
from linkerd.kube.events import Applied, Deleted
from linkerd.kube.objects import Key
from linkerd.kube.reflector import parts
from tests.support.api_peer import ApiPeer
from tests.support.cut import CutProxy
from tests.support.pods import PODS, Pod
from tests.support.reflecting import Follower, ImpatientClock, reflecting

SIZED = [bytes(size) for size in (1, 1_000, 60_000, 300_000)]
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


async def test_pages(
    pods: Following, peer: ApiPeer, client: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.limits = replace(client.limits, page=10)
    monkeypatch.setattr(module, "_PART", 4)
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
    pods: Following, peer: ApiPeer, client: KubeClient
) -> None:
    client.limits = replace(client.limits, page=2)
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


async def test_many_that_are_gone_are_told_in_parts(
    pods: Following, peer: ApiPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PART", 4)
    for number in range(35):
        peer.put(f"p{number:02}")
    async with pods as follower:
        await peer.until_watched()
        before = len(follower.batches)
        peer.expire_watches()
        for number in range(30):
            peer.delete(f"p{number:02}")
        peer.compact()
        await peer.until_watched(2)
        assert [len(batch) for batch in follower.batches[before:]] == [4] * 7 + [2]
        assert follower.names == [f"p{number:02}" for number in range(30, 35)]
        assert follower.reflector.store == follower.replayed


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


async def test_selectors(client: KubeClient, peer: ApiPeer) -> None:
    some = PODS.narrowed(labels="a=b", fields="metadata.name=x")
    async with reflecting(client, some) as follower:
        await follower.reflector.wait_synced()
        await peer.until_watched()
    for query in peer.queries:
        assert query["labelSelector"] == "a=b"
        assert query["fieldSelector"] == "metadata.name=x"


def _error(code: int, reason: str, message: str = "m") -> bytes:
    status = {"kind": "Status", "code": code, "reason": reason, "message": message}
    return json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"


@given(st.lists(st.sampled_from(SIZED), max_size=250))
def test_parts_are_small_and_lose_nothing(items: list[bytes]) -> None:
    found = list(parts(items))
    assert [item for part in found for item in part] == items
    for part in found:
        assert 0 < len(part) <= 100
        assert len(part) == 1 or sum(map(len, part)) <= 256 * 1024
