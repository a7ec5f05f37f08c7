"""A namespace of an API server that knows ExternalWorkloads, and a controller beside it.

The server is the second one: whoever leads writes the slices of all namespaces, and beside the
first one other tests run destination services that lead.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from linkerd.kube.client import KubeClient
from linkerd.local.cluster import LocalCluster
from tests.support.cut import CutProxy, api_server_of, kubeconfig_through
from tests.support.eventually import eventually
from tests.support.workloads.program import (
    DEFINITION,
    Replica,
    World,
    replica,
)


@pytest.fixture
def cluster(other_api_cluster: LocalCluster) -> LocalCluster:
    """One that has the definition of ExternalWorkloads."""
    other_api_cluster.kubectl("apply", "-f", str(DEFINITION))
    other_api_cluster.kubectl("wait", "--for=condition=Established", "-f", str(DEFINITION))
    return other_api_cluster


@pytest.fixture
async def client(cluster: LocalCluster) -> AsyncIterator[KubeClient]:
    """Ends after the namespace: by then the server has ended the watches' connections too."""
    async with await KubeClient.connect(cluster.kubeconfig, user_agent="test") as connected:
        yield connected


@pytest.fixture
async def cut(cluster: LocalCluster) -> AsyncIterator[CutProxy]:
    """What stands between `far` and the API server."""
    async with CutProxy(*api_server_of(cluster.kubeconfig)) as proxy:
        yield proxy


@pytest.fixture
async def far(cluster: LocalCluster, cut: CutProxy, tmp_path: Path) -> AsyncIterator[KubeClient]:
    """A client that can be cut off."""
    kubeconfig = kubeconfig_through(cluster.kubeconfig, cut, tmp_path)
    async with await KubeClient.connect(kubeconfig, user_agent="test") as connected:
        yield connected


@pytest.fixture
def world(client: KubeClient, cluster: LocalCluster, other_namespace: str) -> Iterator[World]:
    with cluster.api() as api:
        yield World(api, other_namespace)


@pytest.fixture
async def leader(client: KubeClient, world: World) -> AsyncIterator[Replica]:
    async with replica(client, world.namespace, "a") as running:
        await eventually(lambda: running.leading, "leadership")
        yield running
