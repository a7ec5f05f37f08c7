"""Events: what arrives at a real API server, and what the limits leave out."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from linkerd.kube.client import KubeClient
from linkerd.kube.recorder import BURST, QUEUE, SIMILAR, WINDOW, EventRecorder, ObjectRef
from linkerd.local.cluster import LocalCluster
from linkerd.runtime.metrics import registry
from tests.support.clock import FakeClock
from tests.support.eventually import eventually


class Recording:
    """A recorder at a time that the test moves."""

    def __init__(self, client: KubeClient) -> None:
        self.clock, self.numbers = FakeClock(), registry()
        self.recorder = EventRecorder(
            client,
            component="linkerd-identity",
            clock=self.clock,
            registry=self.numbers,
            instance="identity-0",
        )

    def count(self, outcome: str) -> float:
        return outcomes(self.numbers, outcome)

    async def sent(self, number: int) -> None:
        await eventually(lambda: self.count("sent") == number, f"{number} sent")


def outcomes(numbers: CollectorRegistry, outcome: str) -> float:
    return numbers.get_sample_value("kube_events_total", {"outcome": outcome}) or 0


@asynccontextmanager
async def recording(cluster: LocalCluster) -> AsyncIterator[Recording]:
    async with await KubeClient.connect(cluster.kubeconfig, user_agent="test") as client:
        made = Recording(client)
        task = asyncio.create_task(made.recorder.run())
        yield made
        task.cancel()


def events(cluster: LocalCluster, namespace: str) -> list[dict[str, object]]:
    listed = cluster.kubectl("get", "events", "--namespace", namespace, "-o", "json")
    found: list[dict[str, object]] = json.loads(listed)["items"]
    return found


def account(namespace: str, name: str = "web") -> ObjectRef:
    return ObjectRef("v1", "ServiceAccount", namespace, name)


@pytest.mark.integration
class TestSent:
    async def test_an_event(self, api_cluster: LocalCluster, namespace: str) -> None:
        async with recording(api_cluster) as made:
            made.recorder.record(account(namespace), "Normal", "Issued", "issued one")
            await made.sent(1)
        (event,) = events(api_cluster, namespace)
        assert event["involvedObject"] == {
            "apiVersion": "v1", "kind": "ServiceAccount", "namespace": namespace, "name": "web",
        }  # fmt: skip
        assert (event["type"], event["reason"], event["message"], event["count"]) == (
            "Normal", "Issued", "issued one", 1,
        )  # fmt: skip
        assert event["source"] == {"component": "linkerd-identity"}
        assert event["firstTimestamp"] == event["lastTimestamp"] == "2030-01-01T00:00:00Z"
        assert event["reportingInstance"] == "identity-0"

    async def test_the_same_again_is_counted(
        self, api_cluster: LocalCluster, namespace: str
    ) -> None:
        async with recording(api_cluster) as made:
            for number in range(3):
                made.recorder.record(account(namespace), "Warning", "Skipped", "no key")
                await made.sent(number + 1)
                await made.clock.advance(60)
        (event,) = events(api_cluster, namespace)
        assert event["count"] == 3
        assert (event["firstTimestamp"], event["lastTimestamp"]) == (
            "2030-01-01T00:00:00Z", "2030-01-01T00:02:00Z",
        )  # fmt: skip

    async def test_one_that_is_gone_is_made_anew(
        self, api_cluster: LocalCluster, namespace: str
    ) -> None:
        async with recording(api_cluster) as made:
            made.recorder.record(account(namespace), "Warning", "Skipped", "no key")
            await made.sent(1)
            api_cluster.kubectl("delete", "events", "--all", "--namespace", namespace)
            made.recorder.record(account(namespace), "Warning", "Skipped", "no key")
            await made.sent(2)
        (event,) = events(api_cluster, namespace)
        assert event["count"] == 1

    async def test_many_similar_become_one(self, api_cluster: LocalCluster, namespace: str) -> None:
        async with recording(api_cluster) as made:
            for number in range(SIMILAR + 5):
                made.recorder.record(account(namespace), "Normal", "Issued", f"issued {number}")
            await made.sent(SIMILAR + 5)
        found = events(api_cluster, namespace)
        assert len(found) == SIMILAR + 1
        (combined,) = (each for each in found if str(each["message"]).startswith("(combined"))
        assert combined["count"] == 5
        assert combined["message"] == f"(combined from similar events): issued {SIMILAR + 4}"

    async def test_a_namespace_that_is_not_there(self, api_cluster: LocalCluster) -> None:
        async with recording(api_cluster) as made:
            made.recorder.record(account("nowhere-at-all"), "Normal", "Issued", "one")
            await eventually(lambda: made.count("failed") == 1)

    async def test_long_messages_are_cut(self, api_cluster: LocalCluster, namespace: str) -> None:
        async with recording(api_cluster) as made:
            made.recorder.record(account(namespace, "w" * 253), "Normal", "Issued", "é" * 5000)
            await made.sent(1)


class TestLimits:
    @pytest.fixture
    async def made(self, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Recording]:
        """One that sends nothing: its task does not run."""
        kubeconfig = tmp_path_factory.mktemp("nobody") / "kubeconfig"
        kubeconfig.write_text(KUBECONFIG)
        async with await KubeClient.connect(kubeconfig, user_agent="test") as client:
            yield Recording(client)

    async def test_one_object(self, made: Recording) -> None:
        for number in range(BURST + 10):
            made.recorder.record(account("shop"), "Normal", "Issued", f"{number}")
        assert made.count("dropped") == 10
        await made.clock.advance(301)
        made.recorder.record(account("shop"), "Normal", "Issued", "later")
        made.recorder.record(account("shop"), "Normal", "Issued", "too soon")
        assert made.count("dropped") == 11

    async def test_the_queue(self, made: Recording) -> None:
        for number in range(QUEUE + 10):
            made.recorder.record(account("shop", f"web-{number}"), "Normal", "Issued", "one")
        assert made.count("dropped") == 10

    async def test_all_objects_together(self, made: Recording) -> None:
        """100 at once, then ten a second; a server that is away counts as well."""
        for number in range(300):
            made.recorder.record(account("shop", f"web-{number}"), "Normal", "Issued", "one")
        task = asyncio.create_task(made.recorder.run())
        await eventually(lambda: made.count("failed") == 100)
        await made.clock.wait_for_sleepers()
        await made.clock.advance(1.0)
        await eventually(lambda: made.count("failed") >= 105)
        assert made.count("failed") <= 111
        task.cancel()

    async def test_books_are_bounded(self, made: Recording) -> None:
        for number in range(10_000):
            made.recorder.record(account("shop", f"web-{number}"), "Normal", "Issued", "one")
        kept = made.recorder._buckets, made.recorder._similar
        assert [len(books) for books in kept] == [4096, QUEUE]  # those that were queued at all

    async def test_a_window_ends(self, made: Recording) -> None:
        about = account("shop")
        for number in range(SIMILAR + 1):
            made.recorder.record(about, "Normal", "Issued", f"{number}")
        assert made.recorder._queue[-1].said.message.startswith("(combined")
        await made.clock.advance(WINDOW + 1)
        made.recorder.record(about, "Normal", "Issued", "new")
        assert made.recorder._queue[-1].said.message == "new"


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
clusters: [{name: here, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: me, user: {token: mine}}]
contexts: [{name: here, context: {cluster: here, user: me}}]
"""
