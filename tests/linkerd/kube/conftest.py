"""A peer under our control, and a client of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from yarl import URL

from linkerd.kube.client import KubeClient
from linkerd.testing.api_peer import ApiPeer
from linkerd.testing.cut import CutProxy, kubeconfig_through


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
