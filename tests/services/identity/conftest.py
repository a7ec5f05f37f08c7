"""The service over gRPC with scripted reviews, and its program beside a real API server."""

from collections.abc import AsyncIterator, Iterator, MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from linkerd.local.cluster import LocalCluster
from tests.support.certificates import Credentials
from tests.support.identity.program import DOMAIN, Mesh, start
from tests.support.identity.service import Server, running_server
from tests.support.namespaces import fresh_namespace


@pytest.fixture
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """What is logged, instead of the log."""
    with capture_logs() as entries:
        yield entries


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server whose issuer is loaded, at a time that stands still."""
    async with running_server() as server:
        yield server


@pytest.fixture(scope="module")
def mesh(api_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """One program for all tests of this module that do it no harm."""
    directory, credentials = tmp_path_factory.mktemp("mesh"), Credentials.make(DOMAIN)
    with (
        api_cluster.api() as api,
        fresh_namespace(api, prefix="t") as namespace,
        start(api_cluster.kubeconfig, directory, credentials) as program,
    ):
        program.event("ready")
        yield Mesh(api_cluster, namespace, directory, program, credentials)
