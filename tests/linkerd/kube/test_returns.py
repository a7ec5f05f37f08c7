"""The API server is away and comes back: everybody who waited goes on at once."""

import asyncio
import time
from contextlib import AsyncExitStack
from random import Random
from typing import Final
from unittest import mock

import pytest

from linkerd.kube import presence
from linkerd.kube.client import KubeClient
from linkerd.kube.errors import Unreachable
from tests.support.api_peer import ApiPeer
from tests.support.cut import CutProxy
from tests.support.eventually import eventually
from tests.support.pods import PODS, Pod
from tests.support.reflecting import Follower, ImpatientClock, reflecting

REFLECTORS: Final = 12
GOAL: Final = 2.0  # seconds


class _NoJitter(Random):
    """The longest pauses."""

    def uniform(self, a: float, b: float) -> float:
        return b


@pytest.mark.parametrize("when", ["at the start", "while it runs"])
async def test_all_reflectors_are_in_step_soon(
    client: KubeClient, peer: ApiPeer, proxy: CutProxy, when: str
) -> None:
    """Away for as long as pauses of their own would be of eight seconds by then."""
    async with AsyncExitStack() as stack:
        if when == "at the start":
            await proxy.cut()
        followers: list[Follower[Pod]] = [
            await stack.enter_async_context(reflecting(client, PODS, random=_NoJitter()))
            for _ in range(REFLECTORS)
        ]
        if when == "while it runs":
            await peer.until_watched(REFLECTORS)
            await proxy.cut()
        accepted = proxy.accepted
        await asyncio.sleep(4.2)  # an outage lasts
        tried = (proxy.accepted - accepted) / 2  # aiohttp repeats a GET whose connection was reset
        assert tried <= 2 * REFLECTORS + 5 * 1.25 + 1, "one asks for all"
        peer.put("new")
        proxy.heal()
        back = time.monotonic()
        for follower in followers:
            await follower.until(lambda f: f.names == ["new"])
        assert time.monotonic() - back < GOAL
        assert peer.lists == REFLECTORS


async def test_a_request_that_is_swallowed_is_given_up_when_the_server_is_back(
    peer: ApiPeer, client: KubeClient, proxy: CutProxy
) -> None:
    """A connection that was begun in a black hole would be made as late again as it lasts."""
    proxy.swallow()
    with mock.patch.object(presence, "_SLOW", 0.1):
        request = asyncio.create_task(client.request("GET", "/api/v1/pods"))
        await proxy.until(lambda p: p.accepted >= 3)  # it, and two questions
    proxy.heal()
    with pytest.raises(Unreachable):
        await request
    assert client.presence.returns == 1
    await client.request("GET", "/api/v1/pods")


async def test_a_watch_that_is_swallowed_is_opened_anew_when_the_server_is_back(
    peer: ApiPeer, client: KubeClient, proxy: CutProxy
) -> None:
    async with reflecting(client, PODS) as follower:
        await peer.until_watched()
        proxy.swallow()
        peer.put("a")
        accepted = proxy.accepted
        with pytest.raises(Unreachable):
            await client.request("GET", "/api/v1/pods", timeout=0.2)
        await proxy.until(lambda p: p.accepted >= accepted + 3)  # it, and two questions
        proxy.heal()
        await follower.until(lambda f: f.names == ["a"], GOAL)
    assert peer.watches[-2:] == ["1", "1"]


async def test_refusals_keep_their_own_pauses(
    client: KubeClient, peer: ApiPeer, clock: ImpatientClock
) -> None:
    """A 403 or 429 is an answer: nobody asks whether the server is there."""
    peer.refuse(403, "Forbidden")
    peer.refuse(429, "TooManyRequests", **{"Retry-After": "9"})
    async with reflecting(client, PODS, clock=clock) as follower:
        await follower.reflector.wait_synced()
    assert peer.asked_for["/readyz"] == 0
    assert clock.slept[1] >= 9


async def test_a_server_in_trouble_is_waited_for(client: KubeClient, peer: ApiPeer) -> None:
    """It answers, and says that it cannot."""
    for _ in range(30):
        peer.refuse(503, "ServiceUnavailable")
    async with reflecting(client, PODS, random=_NoJitter()) as follower:
        await eventually(lambda: client.presence.away, "the trouble being seen")
        peer.refusals.clear()
        begun = time.monotonic()
        await follower.until(lambda f: f.reflector.synced)
        assert time.monotonic() - begun < GOAL
