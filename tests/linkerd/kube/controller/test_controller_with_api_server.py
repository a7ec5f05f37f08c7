"""A controller against a real API server: what it writes, what it leaves alone, and what becomes of
a plan that breaks off in its middle."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from linkerd.kube.client import KubeClient
from linkerd.kube.events import Applied, Deleted
from linkerd.kube.objects import ConfigMap
from linkerd.kube.resource import CONFIG_MAPS
from linkerd.local.api import AdminApi
from linkerd.local.cluster import LocalCluster
from tests.support.controllers.beside import LEASE, Beside, beside
from tests.support.controllers.copies import OF, Copies, original
from tests.support.controllers.verdicts import JUDGED, Verdicts
from tests.support.cut import CutProxy
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


class World:
    """The ConfigMaps and Services of a namespace."""

    def __init__(self, api: AdminApi, namespace: str) -> None:
        self.api = api
        self.namespace = namespace

    def put(self, **data: str) -> None:
        """Somebody makes the original this one."""
        path = CONFIG_MAPS.path(self.namespace)
        body = original("a", self.namespace, **data)
        there = any(each["metadata"]["name"] == "a" for each in self._all())
        if there:
            self.api.request("PUT", f"{path}/a", body)
        else:
            self.api.request("POST", path, body)

    def patch(self, name: str, body: dict[str, Any]) -> None:
        self.api.request("PATCH", self._path(name), body, kind="merge-patch+json")

    def delete(self, name: str) -> None:
        self.api.request("DELETE", self._path(name))

    def read(self, name: str) -> ConfigMap:
        return msgspec.convert(self.api.request("GET", self._path(name)), ConfigMap)

    def copies(self) -> dict[str, dict[str, Any]]:
        """By name."""
        found = [each for each in self._all() if OF in each["metadata"].get("labels", {})]
        return {each["metadata"]["name"]: each for each in found}

    def numbers(self) -> list[tuple[str, str]]:
        """The name and the text of each copy."""
        return [(name, each["data"]["text"]) for name, each in sorted(self.copies().items())]

    def service(self) -> dict[str, Any]:
        found: dict[str, Any] = self.api.request("GET", JUDGED.path(self.namespace, "ledger"))
        return found

    def _path(self, name: str) -> str:
        return CONFIG_MAPS.path(self.namespace, name)

    def _all(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api.request("GET", CONFIG_MAPS.path(self.namespace))[
            "items"
        ]
        return found


@pytest.fixture
def world(kube: KubeClient, api_cluster: LocalCluster, namespace: str) -> Iterator[World]:
    with api_cluster.api() as api:
        yield World(api, namespace)


def of(text: str, number: int) -> list[tuple[str, str]]:
    return [(f"a-{n}", text) for n in range(number)]


def counted(replica: Beside) -> tuple[float, ...]:
    """What it created, updated and deleted."""
    operations = ("create", "update", "delete")
    return tuple(replica.value("copies_writes_total", operation=each) for each in operations)


async def test_each_object_is_written_once_and_a_new_leader_writes_nothing(
    kube: KubeClient, world: World
) -> None:
    async with beside(kube, world.namespace, "one", Copies, CONFIG_MAPS) as first:
        world.put(copies="3", text="x")
        await eventually(lambda: world.numbers() == of("x", 3), "three copies")
        world.put(copies="2", text="y")
        await eventually(lambda: world.numbers() == of("y", 2), "two other copies")
        await eventually(lambda: counted(first) == (3, 2, 1), "the count")
        assert first.value("copies_failures_total") == 0
        await first.leader.stop()
    before = world.copies()
    async with beside(kube, world.namespace, "two", Copies, CONFIG_MAPS) as second:
        await eventually(lambda: second.value("workqueue_work_duration_seconds_count"), "work")
        assert second.value("copies_writes_total") == 0
    assert world.copies() == before


async def test_killed_between_two_writes(kube: KubeClient, world: World) -> None:
    world.put(copies="3", text="x")
    async with beside(kube, world.namespace, "one", Copies, CONFIG_MAPS) as first:
        first.gate.left = 1
        await eventually(lambda: first.gate.waiting, "the second write")
        before = world.copies()
        assert list(before) == ["a-0"]
    async with beside(kube, world.namespace, "one", Copies, CONFIG_MAPS) as second:
        await eventually(lambda: world.numbers() == of("x", 3), "three copies")
        await eventually(lambda: counted(second) == (2, 0, 0), "the count")
    assert world.copies()["a-0"] == before["a-0"]


async def test_leadership_lost_between_two_writes(kube: KubeClient, world: World) -> None:
    world.put(copies="3", text="x")
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{world.namespace}/leases/{LEASE}"

    def hold(holder: str) -> None:
        spec = {"holderIdentity": holder, "leaseDurationSeconds": 3600}
        world.api.request("PATCH", lease, {"spec": spec}, kind="merge-patch+json")

    async with beside(kube, world.namespace, "one", Copies, CONFIG_MAPS) as replica:
        replica.gate.left = 1
        await eventually(lambda: replica.gate.waiting, "the second write")
        hold("thief")
        await eventually(lambda: not replica.leader.leading, "the loss")
        replica.gate.open()
        world.put(copies="2", text="y")
        renewed = world.api.request("GET", lease)["spec"]
        assert renewed["holderIdentity"] == "thief"
        assert world.numbers() == of("x", 1)
        hold("")
        await eventually(lambda: world.numbers() == of("y", 2), "the plan of today")
        await eventually(lambda: counted(replica)[0] == 2, "the count")


async def test_the_server_away_between_two_writes(
    far: KubeClient, cut: CutProxy, world: World
) -> None:
    world.put(copies="3", text="x")
    async with beside(far, world.namespace, "one", Copies, CONFIG_MAPS) as replica:
        replica.gate.left = 1
        await eventually(lambda: replica.gate.waiting, "the second write")
        await cut.cut()
        replica.gate.open()
        await eventually(lambda: replica.value("copies_failures_total"), "a failure")
        cut.heal()
        await eventually(lambda: world.numbers() == of("x", 3), "three copies", 30)
        await eventually(lambda: counted(replica) == (3, 0, 0), "the count")
        assert replica.value("workqueue_drops_total") == 0


class TestOthers:
    """Who writes the same object, unseen as yet by our cache."""

    async def test_nobody_is_written_over(self, kube: KubeClient, world: World) -> None:
        blind = await self._with_a_copy(kube, world)
        world.patch("a-0", {"metadata": {"annotations": {"note": "mine"}}})
        async with blind.leading():
            world.put(copies="1", text="y")
            blind.show(Applied(world.read("a")))
            await eventually(lambda: blind.value("workqueue_retries_total") > 2, "some retries")
            assert world.numbers() == of("x", 1)
            blind.show(Applied(world.read("a-0")))
            await eventually(lambda: world.numbers() == of("y", 1), "our text")
        assert world.copies()["a-0"]["metadata"]["annotations"] == {"note": "mine"}
        assert blind.value("copies_failures_total") == 0

    async def test_what_is_gone_is_made_again_once_that_is_known(
        self, kube: KubeClient, world: World
    ) -> None:
        blind = await self._with_a_copy(kube, world)
        last = world.read("a-0")
        world.delete("a-0")
        async with blind.leading():
            world.put(copies="1", text="y")
            blind.show(Applied(world.read("a")))
            await eventually(lambda: blind.value("workqueue_retries_total") > 2, "some retries")
            assert world.numbers() == []
            blind.show(Deleted(last))
            await eventually(lambda: world.numbers() == of("y", 1), "another copy")
        assert blind.value("copies_failures_total") == 0

    async def test_two_controllers_of_one_status_come_to_rest(
        self, kube: KubeClient, world: World
    ) -> None:
        """Each keeps its own condition; neither takes the other's away."""
        spec = {"ports": [{"port": 80}]}
        service = {"metadata": {"name": "ledger"}, "spec": spec}
        ours, theirs = Verdicts.of("mesh.test/ours"), Verdicts.of("mesh.test/theirs")
        async with (
            beside(kube, world.namespace, "one", ours, JUDGED) as one,
            beside(kube, world.namespace, "two", theirs, JUDGED, lease="other") as two,
        ):
            await eventually(lambda: one.leader.leading and two.leader.leading, "both to lead")
            world.api.request("POST", JUDGED.path(world.namespace), service)
            await eventually(
                lambda: self._judges(world) == ["mesh.test/ours", "mesh.test/theirs"], "both"
            )
            await eventually(lambda: one.value("verdicts_writes_total"), "the first's write")
            await eventually(lambda: two.value("verdicts_writes_total"), "the second's write")
            assert [each.value("verdicts_writes_total") for each in (one, two)] == [1, 1]
            assert one.value("verdicts_failures_total") == 0
        assert world.service()["spec"]["ports"][0]["port"] == 80

    async def _with_a_copy(self, kube: KubeClient, world: World) -> Beside:
        """A controller without a reflector that knows an original and its copy."""
        world.put(copies="1", text="x")
        blind = Beside(kube, world.namespace, "blind", Copies)
        blind.show(Applied(world.read("a")))
        async with blind.leading():
            await eventually(world.copies, "a copy")
            blind.show(Applied(world.read("a-0")))
        return blind

    def _judges(self, world: World) -> list[str]:
        conditions = world.service()["status"].get("conditions", [])
        return sorted(each["type"] for each in conditions)
