"""One program beside the API server that knows policy, for all tests that do it no harm."""

from collections.abc import AsyncIterator, Iterator

import pytest

from linkerd.local.cluster import LocalCluster
from tests.support.policy.program import Client, Objects, connect, start
from tests.support.program import Program


@pytest.fixture(scope="package")
def program(policy_cluster: LocalCluster) -> Iterator[Program]:
    """One program for all tests that do it no harm."""
    with start(policy_cluster.kubeconfig) as running:
        running.event("ready")
        yield running


@pytest.fixture
async def client(program: Program, policy_namespace: str) -> AsyncIterator[Client]:
    async with connect(program, policy_namespace) as connected:
        yield connected


@pytest.fixture
def objects(policy_cluster: LocalCluster, policy_namespace: str) -> Iterator[Objects]:
    with policy_cluster.api() as api:
        yield Objects(api, policy_namespace)
