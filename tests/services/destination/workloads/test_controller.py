"""The controller before a server that is not there, in time that nobody waits for."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from linkerd.kube.client import KubeClient
from linkerd.kube.controller.controller import MOST_RETRIES
from linkerd.kube.events import Applied
from services.destination.workloads import WorkloadSlices
from tests.support.eventually import eventually
from tests.support.reflecting import ImpatientClock
from tests.support.workloads.plans import machine, make_service

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: nobody
clusters: [{name: nobody, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: nobody, context: {cluster: nobody, user: nobody}}]
users: [{name: nobody, user: {}}]
"""


class Bench:
    """A controller whose writes all fail."""

    def __init__(self, client: KubeClient) -> None:
        self.registry = CollectorRegistry()
        made = WorkloadSlices(client, "linkerd", "me", ImpatientClock(), self.registry)
        self.controller, self.listeners = made.controller, made.listeners

    def value(self, name: str) -> float | None:
        return self.registry.get_sample_value(name)

    def queue_value(self, name: str) -> float | None:
        labels = {"name": "endpoints_controller_workqueue"}
        return self.registry.get_sample_value(f"workqueue_{name}", labels)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG)
    async with await KubeClient.connect(kubeconfig, user_agent="test") as client:
        yield Bench(client)


async def lead(bench: Bench, until: Any, what: str) -> None:
    leading = asyncio.create_task(bench.controller.lead())
    try:
        await eventually(until, what, 30)
    finally:
        leading.cancel()
        await asyncio.wait((leading,))


async def test_what_cannot_be_written_is_given_up_after_fifteen_retries(bench: Bench) -> None:
    bench.listeners["Service"]([Applied(make_service()), Applied(make_service("idle"))])
    bench.listeners["ExternalWorkload"]([Applied(machine("m1"))])
    with capture_logs() as logs:
        await lead(bench, lambda: bench.queue_value("drops_total") == 2, "the drops")
    assert bench.queue_value("retries_total") == 2 * MOST_RETRIES
    assert bench.value("workload_slices_failures_total") == 2 * (MOST_RETRIES + 1)
    said = [(entry["log_level"], entry["name"]) for entry in logs if "name" in entry]
    assert said.count(("error", "ledger")) == 1
    assert said.count(("warning", "ledger")) == 1


async def test_who_does_not_lead_does_nothing(bench: Bench) -> None:
    bench.listeners["Service"]([Applied(make_service())])
    bench.listeners["ExternalWorkload"]([Applied(machine("m1"))])
    assert bench.queue_value("adds_total") == 0
    async with asyncio.timeout(5):
        await bench.controller.drained()


async def test_an_event_that_cannot_be_taken_in_is_counted_and_the_next_one_is(
    bench: Bench,
) -> None:
    broken: Sequence[Any] = [Applied(None), Applied(make_service(selector=None))]
    bench.listeners["Service"](broken)
    assert bench.value("workload_slices_failures_total") == 1
    await lead(bench, lambda: bench.queue_value("work_duration_seconds_count") == 1, "the work")
