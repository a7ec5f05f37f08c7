"""One linked cluster, read through one set of credentials."""

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Final

from linkerd.kube.backoff import Backoff
from linkerd.kube.client import KubeClient
from linkerd.kube.errors import ConfigError
from linkerd.kube.quota import GuestQuota, OverQuota
from linkerd.kube.reading import read_until_failure
from linkerd.kube.reflector import ReflectorOptions
from linkerd.kube.reflector_metrics import ReflectorMetrics
from linkerd.mesh.names import IdentityDomain
from linkerd.runtime.clock import Clock
from linkerd.runtime.logs import get_logger
from linkerd.version import VERSION
from services.destination.clusters.links import Link
from services.destination.index import Index
from services.destination.index.context import Context
from services.destination.resources import linked_resources

_TOO_LARGE: Final = 60.0  # seconds until one that was too large is tried again, at least

_log = get_logger(__name__)


class Reading:
    """Reads a cluster for as long as it runs; `on_read` is called once, when it is known whole."""

    def __init__(
        self,
        link: Link,
        index: Index,
        controller_namespace: str,
        on_read: Callable[["Reading"], None],
        *,
        slices: bool,
        memory: int,
        clock: Clock,
        metrics: ReflectorMetrics,
    ) -> None:
        """`memory`: bytes that what is read may take."""
        self.link = link
        self.quota = GuestQuota(memory, clock)
        self.drops: Counter[str] = Counter()  # how often it was given up, by reason
        self._memory = memory
        self.context: Context | None = None
        self.current = False  # known whole, and kept in step as far as its server answers
        self.task: asyncio.Task[None] | None = None
        self._index = index
        self._identities = IdentityDomain(controller_namespace, link.trust_domain)
        self._sources = linked_resources(slices=slices)
        self._on_read = on_read
        self._clock = clock
        self._metrics = metrics
        self._log = _log.bind(cluster=link.name)

    def start(self) -> asyncio.Task[None]:
        """Begins, in a task of its own."""
        self.task = asyncio.create_task(self._run(), name=f"read cluster {self.link.name}")
        return self.task

    async def stop(self) -> None:
        """Ends it; returns when its connections are closed."""
        task, self.task = self.task, None  # which leads to our frames, and they to us
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))

    async def _run(self) -> None:
        """Never raises: what goes wrong in a linked cluster is that cluster's matter alone."""
        backoff = Backoff(Random())  # noqa: S311  # spreads load, guards nothing
        while True:
            try:
                error = await self._read()
            except ConfigError as refusal:
                self._log.error(
                    "a linked cluster cannot be read; mend its Secret", error=str(refusal)
                )
                return
            except Exception as mistake:  # noqa: BLE001  # of ours, must not take the process along
                error = mistake
            delay = self._drop(error, backoff)
            del error  # its traceback leads to all that was read
            await self._clock.sleep(delay)

    def _drop(self, error: BaseException | None, backoff: Backoff) -> float:
        """Says why it is not read any more; the seconds after which it is tried again."""
        self.current = False
        if self.context is None:  # nothing is kept
            self.quota = GuestQuota(self._memory, self._clock)
        if isinstance(error, OverQuota):
            self.drops["memory"] += 1
            delay = backoff.next_delay(_TOO_LARGE)
            self._log.error(
                "a linked cluster is too large; what was known of it before stays in use",
                error=f"{error}; raise --linked-cluster-memory-mib, or delete its Secret",
                delay_seconds=round(delay, 1),
            )
            return delay
        self.drops["error"] += 1
        self._log.error("reading a linked cluster failed; it is tried again", exc_info=error)
        return backoff.next_delay()

    async def _read(self) -> BaseException | None:
        """Reads until something fails; what did. Raises ConfigError."""
        link = self.link
        context = self._index.open_cluster(link.name, self._identities, link.cluster_domain)
        client = await KubeClient.of_kubeconfig(
            link.kubeconfig, user_agent=f"linkerd-destination/{VERSION}", clock=self._clock
        )
        self.quota = GuestQuota(self._memory, self._clock)
        options = ReflectorOptions(
            cluster=link.name, clock=self._clock, metrics=self._metrics, quota=self.quota
        )
        kinds = {
            resource: self._index.listener(kind, context)
            for kind, resource in self._sources.items()
        }
        async with client:
            self._log.info("reading a linked cluster", server=client.server)
            return await read_until_failure(
                client, kinds, options, partial(self._know_whole, context)
            )

    def _know_whole(self, context: Context) -> None:
        self.context = context
        self.current = True
        self._on_read(self)
