"""Elections over a real Lease, in real time."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from linkerd.kube.client import KubeClient
from linkerd.kube.controller.election import Election, LeaseMetrics, LeaseTimes
from linkerd.kube.controller.lease import LeaseLock
from linkerd.kube.errors import Conflict, NotFound
from tests.support.cut import CutProxy
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

QUICK = LeaseTimes(duration=3.0, renew_deadline=1.0, retry=0.1)


@pytest.fixture
def lock(kube: KubeClient, namespace: str) -> LeaseLock:
    return LeaseLock(kube, namespace, "who-writes")


@asynccontextmanager
async def competing(
    lock: LeaseLock, identity: str, lead: Callable[[], Awaitable[object]]
) -> AsyncIterator[Election]:
    metrics = LeaseMetrics(CollectorRegistry())
    election = Election(lock, identity, metrics=metrics, times=QUICK)
    task = asyncio.create_task(election.run(lead))
    try:
        yield election
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def forever() -> None:
    await asyncio.Event().wait()


async def test_the_record_is_as_clients_in_go_write_it(lock: LeaseLock) -> None:
    async with competing(lock, "a", forever) as election:
        await eventually(lambda: election.leading, "leadership")
        spec = (await lock.read())["spec"]
        assert spec.keys() == {
            "holderIdentity", "leaseDurationSeconds", "acquireTime", "renewTime",
            "leaseTransitions",
        }  # fmt: skip
        assert (spec["holderIdentity"], spec["leaseDurationSeconds"]) == ("a", 3)
    released = (await lock.read())["spec"]
    assert (released.get("holderIdentity", ""), released["leaseDurationSeconds"]) == ("", 1)


async def test_a_new_lease_goes_with_its_deployment(kube: KubeClient, namespace: str) -> None:
    labels = {"app": "writer"}
    lock = LeaseLock(kube, namespace, "who-writes", labels=labels, deployment="writer")
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    container = {"name": "writer", "image": "writer"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    body = json.dumps({"metadata": {"name": "writer"}, "spec": spec}).encode()
    made = json.loads(await kube.request("POST", path, body=body))
    metadata = (await lock.create({"holderIdentity": "a"}))["metadata"]
    assert metadata["labels"] == labels
    (owner,) = metadata["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("Deployment", "writer")
    assert owner["uid"] == made["metadata"]["uid"]


async def test_a_lease_whose_deployment_is_not_there_has_no_owner(
    kube: KubeClient, namespace: str
) -> None:
    lock = LeaseLock(kube, namespace, "who-writes", deployment="writer")
    metadata = (await lock.create({"holderIdentity": "a"}))["metadata"]
    assert "ownerReferences" not in metadata


async def test_of_owners_is_said_nothing_where_no_lease_can_be(kube: KubeClient) -> None:
    lock = LeaseLock(kube, "nowhere", "who-writes", deployment="writer")
    with capture_logs() as logs, pytest.raises(NotFound):
        await lock.create({"holderIdentity": "a"})
    assert logs == []


async def test_one_leads_and_the_other_follows(lock: LeaseLock) -> None:
    async with competing(lock, "b", forever) as second:
        await eventually(lambda: second.leading, "the first leader")
        async with competing(lock, "a", forever) as first:
            await asyncio.wait_for(_some_renewals(lock), 10)
            assert (first.leading, second.leading) == (False, True)


async def _some_renewals(lock: LeaseLock) -> None:
    versions: set[str] = set()
    while len(versions) < 5:
        versions.add((await lock.read())["metadata"]["resourceVersion"])
        await asyncio.sleep(0.05)


async def test_a_leader_that_is_cut_off_stops_before_another_begins(
    lock: LeaseLock, far: KubeClient, cut: CutProxy, namespace: str
) -> None:
    ruling: list[str] = []
    most = 0

    async def rule(name: str) -> None:
        nonlocal most
        ruling.append(name)
        most = max(most, len(ruling))
        try:
            await asyncio.Event().wait()
        finally:
            ruling.remove(name)

    distant = LeaseLock(far, namespace, "who-writes")
    for trouble in (cut.cut, _stalling(cut)):
        async with competing(distant, "far", lambda: rule("far")):
            await eventually(lambda: ruling == ["far"], "the first to lead")
            async with competing(lock, "near", lambda: rule("near")):
                await trouble()
                await eventually(lambda: ruling == ["near"], "the second to lead", 15)
            cut.heal()
            await eventually(lambda: ruling == ["far"], "the first to lead again", 15)
    assert most == 1


def _stalling(cut: CutProxy) -> Callable[[], Awaitable[None]]:
    async def stall() -> None:
        cut.stall()

    return stall


async def test_of_two_writes_of_one_version_one_is_refused(lock: LeaseLock) -> None:
    made = await lock.create({"holderIdentity": "a", "leaseDurationSeconds": 3})
    await lock.replace(made)
    changed = {**made, "spec": {**made["spec"], "holderIdentity": "b"}}
    await lock.replace(changed | {"metadata": (await lock.read())["metadata"]})
    with pytest.raises(Conflict):
        await lock.replace(made)
    with pytest.raises(Conflict):
        await lock.create({"holderIdentity": "c"})


async def test_a_namespace_that_is_not_there_is_complained_of_once(kube: KubeClient) -> None:
    lock = LeaseLock(kube, "nowhere", "who-writes")
    with pytest.raises(NotFound):
        await lock.read()
    attempts = 0

    class Counted(LeaseLock):
        async def create(self, spec: dict[str, Any]) -> dict[str, Any]:
            nonlocal attempts
            try:
                return await super().create(spec)
            finally:
                attempts += 1  # afterwards: a request broken off would be left to close

    with capture_logs() as logs:
        async with competing(Counted(kube, "nowhere", "who-writes"), "a", forever) as election:
            await eventually(lambda: attempts > 4, "a few attempts")
            assert not election.leading
    assert len([entry for entry in logs if entry["log_level"] == "warning"]) == 1
