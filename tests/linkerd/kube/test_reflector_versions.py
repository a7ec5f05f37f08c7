"""A resource that a server has under one of several versions, or under none."""

import asyncio
from typing import Final

import msgspec
import pytest
from structlog.testing import capture_logs

from linkerd.kube.client import KubeClient
from linkerd.kube.resource import JOBS
from tests.support.api_peer import ApiPeer
from tests.support.pods import PODS
from tests.support.reflecting import ImpatientClock, reflecting

ELSEWHERE: Final = msgspec.structs.replace(PODS, versions=("v9", "v8", "v1"))
NOWHERE: Final = msgspec.structs.replace(JOBS, versions=("v1", "v2"))


@pytest.fixture
def clock() -> ImpatientClock:
    """Nobody waits for a backoff."""
    return ImpatientClock()


async def test_another_version_is_asked_for_at_once(
    client: KubeClient, peer: ApiPeer, clock: ImpatientClock
) -> None:
    peer.put("a")
    with capture_logs() as logs:
        async with reflecting(client, ELSEWHERE.dispensable(), clock=clock) as follower:
            await follower.reflector.wait_synced()
            assert follower.names == ["a"]
            await peer.until_watched()
            peer.put("b")
            await follower.until(lambda f: f.names == ["a", "b"])
    assert clock.slept == []
    assert [log for log in logs if log["log_level"] == "warning"] == []


async def test_a_version_that_is_no_longer_served_gives_way_to_another(
    client: KubeClient, peer: ApiPeer, clock: ImpatientClock
) -> None:
    peer.put("a")
    resource = msgspec.structs.replace(PODS, versions=("v1", "v9"))
    async with reflecting(client, resource, clock=clock) as follower:
        await follower.until(lambda f: f.names == ["a"])
        await peer.until_watched()
        peer.refuse(404, "NotFound")
        peer.end_watches()
        peer.put("b")
        await follower.until(lambda f: f.names == ["a", "b"])
        assert peer.lists == 2


async def test_under_no_version_it_counts_as_empty_and_is_asked_for_now_and_then(
    client: KubeClient, peer: ApiPeer, clock: ImpatientClock
) -> None:
    async with reflecting(client, NOWHERE.dispensable(), clock=clock) as follower:
        with capture_logs() as logs:
            async with asyncio.timeout(10):
                await follower.reflector.wait_synced()
            assert follower.names == []
            await clock.until_slept(12)
        assert [log["log_level"] for log in logs if "resource" in log] == ["info"]
        assert sum(clock.slept) > follower.reflector.age_seconds, "the server does answer"
    async with reflecting(client, NOWHERE, clock=clock) as strict:
        await clock.until_slept(18)
        assert not strict.reflector.synced
