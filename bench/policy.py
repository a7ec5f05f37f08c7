"""The policy service as the benches start it."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from bench import processes, seed
from bench.cluster import Cluster

ARGUMENTS = (
    *("--control-plane-namespace", "linkerd", "--log-level", "warn"),
    *("--default-opaque-ports", "25,587,3306,4444,5432,6379,9300,11211"),
)


@contextlib.asynccontextmanager
async def serve(cluster: Cluster, log: Path) -> AsyncIterator[processes.Server]:
    """A policy service of its own, ready, beside the bench's API server, which has all CRDs."""
    await seed.seed_definitions(cluster.client)
    async with processes.serve("policy", cluster.kubeconfig, ARGUMENTS, log=log) as server:
        yield server
