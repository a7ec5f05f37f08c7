"""A linked cluster whose API server sends without end, over TLS, from a process of its own: what it
costs us is bounded, and our own cluster is served meanwhile."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from linkerd.kube.events import Applied
from linkerd.kube.objects import Secret
from linkerd.kube.reflector_metrics import ReflectorMetrics
from linkerd.mesh.labels import (
    LINKED_CLUSTER_DOMAIN,
    LINKED_CLUSTER_NAME,
    LINKED_TRUST_DOMAIN,
    REMOTE_KUBECONFIG,
)
from linkerd.runtime.clock import SystemClock
from services.destination.clusters import ClusterStore, LinkCollector
from tests.support.destination.world import World
from tests.support.eventually import eventually
from tests.support.hostile_api import LISTS, WATCHES, serve
from tests.support.objects import meta

MIB: Final = 1 << 20
MEMORY: Final = 4 * MIB
GROWTH: Final = 160 * MIB  # two pages of each kind under way, what is counted, and what it takes

SLOW: Final = {  # given up when their time is over
    "bytes one by one",
    "chunks of a byte",
}

HARMLESS: Final = {  # may go on for as long as it likes: nothing is kept of it
    "a new kind of event each time",
    "empty pages without end",  # 2,000 of them
    "labels that nobody shares",
    "lines about one object",
    "names as long as lines",
    "one page again and again",
}


def link(kubeconfig: bytes) -> Secret:
    annotations = {LINKED_TRUST_DOMAIN: "trust.north.test", LINKED_CLUSTER_DOMAIN: "north.test"}
    labels = {LINKED_CLUSTER_NAME: "north"}
    metadata = meta("north", "linkerd", labels=labels, annotations=annotations)
    return Secret(metadata, REMOTE_KUBECONFIG, {"kubeconfig": kubeconfig})


class Here:
    """Our side."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.world = World()
        self.store = ClusterStore(
            self.world.index,
            "linkerd",
            clock=SystemClock(),
            metrics=ReflectorMetrics(self.registry),
            memory=MEMORY,
        )
        self.registry.register(LinkCollector(self.store))

    def total(self, name: str) -> float:
        """The sum of a metric's series."""
        return sum(
            sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == name
        )

    @property
    def setbacks(self) -> float:
        """How often a list or watch failed, or all was given up."""
        return self.total("kube_reflector_errors_total") + self.total("linked_cluster_drops_total")

    @property
    def series(self) -> int:
        return sum(len(family.samples) for family in self.registry.collect())


@asynccontextmanager
async def linked_to(attack: str) -> AsyncIterator[Here]:
    with serve(attack) as kubeconfig:
        here = Here()
        here.store.on_secrets([Applied(link(kubeconfig))])
        try:
            yield here
        finally:
            await here.store.close()


def begin_anew() -> None:
    """VmHWM is VmRSS again."""
    Path("/proc/self/clear_refs").write_text("5")


def memory(what: str) -> int:
    """Bytes of this process: VmRSS now, VmHWM at its highest."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


async def lateness(turns: int, seconds: float = 3.0) -> list[float]:
    """How late somebody else's turn of the event loop comes, in seconds, from the soonest; of so
    many turns, or of those within `seconds`."""
    late: list[float] = []
    end = time.perf_counter() + seconds
    while len(late) < turns and time.perf_counter() < end:
        begun = time.perf_counter()
        await asyncio.sleep(0.005)
        late.append(time.perf_counter() - begun - 0.005)
    return sorted(late)


@pytest.mark.parametrize("attack", [*LISTS, *WATCHES])
async def test_what_it_costs_is_bounded(attack: str) -> None:
    begin_anew()
    before = memory("VmRSS")
    with capture_logs() as logs:
        async with linked_to(attack) as here:
            late = await lateness(turns=100 if attack in HARMLESS else 40)
            if attack not in SLOW | HARMLESS:
                await eventually(lambda: here.setbacks, "the attack being noticed", 30)
            assert memory("VmHWM") - before < GROWTH
            assert here.total("linked_cluster_memory_bytes") <= 2 * MEMORY
            assert here.series < 200
    assert late[len(late) // 2] < 0.05, "half of the turns come as if nothing were"
    assert len(logs) < 1000
    assert sum(len(str(log)) for log in logs) < MIB
