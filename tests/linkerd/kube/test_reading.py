"""Reading several kinds of a cluster, in a process of their own and in a cluster's stead."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from linkerd.kube.client import KubeClient
from linkerd.kube.errors import TooLarge
from linkerd.kube.events import Event
from linkerd.kube.lists import Lister
from linkerd.kube.quota import GuestQuota, OverQuota
from linkerd.kube.reading import Kinds, read, read_until_failure
from linkerd.kube.reflector import ReflectorOptions
from linkerd.kube.resource import JOBS
from linkerd.runtime.clock import SystemClock
from linkerd.runtime.process import Process
from tests.support.api_peer import ApiPeer
from tests.support.pods import PODS
from tests.support.reflecting import ImpatientClock


class _EnoughError(Exception):
    """The test has seen what it wanted."""


class Names:
    """A listener that keeps the names that it heard of."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def __call__(self, events: Sequence[Event[Any]]) -> None:
        self.heard += [event.object.metadata.name for event in events]


async def test_returns_when_all_kinds_have_been_read(client: KubeClient, peer: ApiPeer) -> None:
    peer.put("a")
    pods, jobs = Names(), Names()
    options = ReflectorOptions(clock=ImpatientClock())
    try:
        async with asyncio.TaskGroup() as tasks:
            process = Process("test", tasks, SystemClock())
            async with asyncio.timeout(10):
                await read(process, client, {PODS: pods, JOBS.dispensable(): jobs}, options)
            assert (pods.heard, jobs.heard) == (["a"], [])
            await peer.until_watched()
            raise _EnoughError  # noqa: TRY301  # as whoever ends a process does
    except* _EnoughError:  # which ends the process's tasks
        pass


async def test_a_cluster_is_read_until_something_fails(client: KubeClient, peer: ApiPeer) -> None:
    """What fails is told, not raised, and the others are ended."""
    peer.put("a")
    clock, read_once = ImpatientClock(), asyncio.Event()
    quota = GuestQuota(1_000_000, clock)
    options = ReflectorOptions(cluster="north", clock=clock, quota=quota)
    kinds: Kinds = {PODS: Names(), JOBS.dispensable(): Names()}
    reading = asyncio.create_task(read_until_failure(client, kinds, options, read_once.set))
    async with asyncio.timeout(10):
        await read_once.wait()
        await peer.until_watched()
        quota.take(990_000)
        peer.put("b", status={"phase": "x" * 20_000})
        assert isinstance(await reading, OverQuota)


async def test_a_cluster_that_is_not_known_whole_is_not_told_of(
    client: KubeClient, peer: ApiPeer
) -> None:
    told: list[None] = []
    clock = ImpatientClock()
    options = ReflectorOptions(clock=clock)
    kinds: Kinds = {PODS: Names(), JOBS: Names()}  # which the peer does not have
    reading = asyncio.create_task(
        read_until_failure(client, kinds, options, lambda: told.append(None))
    )
    await peer.until_watched()
    await clock.until_slept(5)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert told == []


async def test_a_list_by_pages(client: KubeClient, peer: ApiPeer) -> None:
    for name in "abcde":
        peer.put(name)
    pages = [page async for page in Lister(client, PODS, size=2).pages()]
    assert [len(page.items or ()) for page in pages] == [2, 2, 1]
    assert peer.pages == 3


async def test_a_list_of_too_many_pages(client: KubeClient, peer: ApiPeer) -> None:
    client.limits = replace(client.limits, pages=2)
    for name in "abcde":
        peer.put(name)
    with pytest.raises(TooLarge, match="more than 2 pages"):
        [page async for page in Lister(client, PODS, size=2).pages()]
