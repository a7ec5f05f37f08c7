"""The API server that the benches run against, with the dataset in it.

By default an API-only cluster of `linkerd local`, whose state is kept under build/bench: the
first run writes the dataset (minutes), later ones find it (seconds). With a kubeconfig given,
that cluster is used instead, and only the dataset is added to it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from bench import dataset, seed
from bench.dataset import Shape
from bench.processes import ROOT, BenchError
from linkerd.kube.client import KubeClient
from linkerd.local.cluster import LocalCluster
from linkerd.local.files import locked
from linkerd.local.progress import Progress

STATE = ROOT / "build" / "bench" / "cluster"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A seeded API server and a client to it."""

    kubeconfig: Path
    client: KubeClient
    shape: Shape


@contextlib.asynccontextmanager
async def seeded(
    kubeconfig: Path | None,
    progress: Progress,
    shape: Shape = dataset.DEFAULT,
    *,
    state: Path = STATE,
) -> AsyncIterator[Cluster]:
    """Enter with a cluster that holds the dataset; a cluster started here is stopped after, and
    what it holds is kept in `state`. Raises BenchError when another run has it."""
    async with contextlib.AsyncExitStack() as stack:
        if kubeconfig is None:
            if not stack.enter_context(locked(state.with_suffix(".lock"), wait=False)):
                raise BenchError("another bench runs in this folder; wait for it, or end it")
            local = LocalCluster(state, api_only=True)
            stack.push_async_callback(asyncio.to_thread, local.down)
            await asyncio.to_thread(local.up, progress)
            kubeconfig = local.kubeconfig
        client = await KubeClient.connect(kubeconfig, user_agent="linkerd-py-bench")
        stack.push_async_callback(client.close)
        with progress.step("Bench dataset") as detail:
            await seed.seed(client, shape, detail)
        yield Cluster(kubeconfig, client, shape)
