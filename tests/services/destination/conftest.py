"""One program beside the shared API server, for all tests that do it no harm."""

from collections.abc import AsyncIterator, Iterator

import pytest

from linkerd.local.cluster import LocalCluster
from tests.support.destination.program import Client, Objects, connect, start
from tests.support.program import Program


@pytest.fixture(scope="package")
def program(api_cluster: LocalCluster) -> Iterator[Program]:
    """One program for all tests that do it no harm."""
    with start(api_cluster.kubeconfig) as running:
        running.event("ready")
        yield running


@pytest.fixture
async def client(program: Program) -> AsyncIterator[Client]:
    async with connect(program) as connected:
        yield connected


@pytest.fixture
def objects(api_cluster: LocalCluster, namespace: str) -> Iterator[Objects]:
    with api_cluster.api() as api:
        yield Objects(api, namespace)
