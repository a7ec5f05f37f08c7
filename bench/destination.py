"""The destination service as the benches start it."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from bench import processes
from bench.cluster import Cluster

ARGUMENTS = ("--controller-namespace", "linkerd", "--log-level", "warn")


@contextlib.asynccontextmanager
async def serve(cluster: Cluster, log: Path) -> AsyncIterator[processes.Server]:
    """A destination of its own, ready, beside the bench's API server."""
    async with processes.serve("destination", cluster.kubeconfig, ARGUMENTS, log=log) as server:
        yield server
