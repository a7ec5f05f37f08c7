"""A peer under our control, and a client of it."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from random import Random

import pytest
from yarl import URL

from linkerd.kube.client import KubeClient
from linkerd.local.cluster import LocalCluster
from tests.support.api_peer import ApiPeer
from tests.support.cut import CutProxy, api_server_of, kubeconfig_through
from tests.support.pods import PODS, Pod
from tests.support.reflecting import Follower, ImpatientClock, reflecting


@pytest.fixture
async def peer() -> AsyncIterator[ApiPeer]:
    """A collection of pods over HTTP."""
    async with ApiPeer() as peer:
        yield peer


@pytest.fixture
async def proxy(peer: ApiPeer) -> AsyncIterator[CutProxy]:
    """What stands between `client` and `peer`."""
    url = URL(peer.url)
    async with CutProxy(url.host or "", url.port or 0) as proxy:
        yield proxy


@pytest.fixture
async def client(peer: ApiPeer, proxy: CutProxy, tmp_path: Path) -> AsyncIterator[KubeClient]:
    """A client of `peer`, through `proxy`."""
    kubeconfig = kubeconfig_through(peer.kubeconfig(tmp_path), proxy, tmp_path)
    async with await KubeClient.connect(kubeconfig, user_agent="test/1") as client:
        yield client


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


@pytest.fixture
async def kube(api_cluster: LocalCluster) -> AsyncIterator[KubeClient]:
    """The administrator's client."""
    async with await KubeClient.connect(api_cluster.kubeconfig, user_agent="test") as client:
        yield client


@pytest.fixture
async def cut(api_cluster: LocalCluster) -> AsyncIterator[CutProxy]:
    """What stands between `far` and the API server."""
    async with CutProxy(*api_server_of(api_cluster.kubeconfig)) as proxy:
        yield proxy


@pytest.fixture
async def far(
    api_cluster: LocalCluster, cut: CutProxy, tmp_path: Path
) -> AsyncIterator[KubeClient]:
    """A client that can be cut off."""
    path = kubeconfig_through(api_cluster.kubeconfig, cut, tmp_path)
    async with await KubeClient.connect(path, user_agent="test") as client:
        yield client
