"""Who writes slices, and from what, against a real API server. Ids of the catalogue: T168."""

from contextlib import AsyncExitStack

import pytest

from linkerd.kube.client import KubeClient
from services.destination.workloads.names import LEASE
from tests.support.cut import CutProxy
from tests.support.eventually import eventually
from tests.support.workloads.program import Blind, Replica, World, replica

pytestmark = pytest.mark.integration


class TestOwnWrites:
    async def test_a_plan_waits_until_our_last_write_is_seen(
        self, client: KubeClient, world: World
    ) -> None:
        """Else there would be a second slice, for the machine that is in the first one."""
        blind = Blind(client, world)
        world.service()
        world.machine("m1", "192.0.2.7")
        world.machine("m2", "192.0.2.8")
        blind.take_service()
        async with blind.leading():
            blind.take("m1")
            await eventually(lambda: blind.created == 1, "a slice")
            blind.take("m2")
            await eventually(lambda: blind.retries > 3, "some retries")
            assert world.addresses() == ["192.0.2.7"]
            blind.show()
            await world.until(lambda: len(world.addresses()) == 2, "both")
            assert len(world.slices()) == 1

    async def test_t168_a_new_leadership_awaits_nothing_of_the_last(
        self, client: KubeClient, world: World
    ) -> None:
        blind = Blind(client, world)
        world.service()
        world.machine("m1", "192.0.2.7")
        blind.take_service()
        async with blind.leading():
            blind.take("m1")
            await eventually(lambda: blind.created == 1, "a slice")
        world.delete("endpointslices", world.slices()[0]["metadata"]["name"])
        async with blind.leading():
            await world.until(world.slices, "another slice")
        assert blind.retries == 0


class TestLeadership:
    async def test_t168_lost_and_won_again(self, world: World, leader: Replica) -> None:
        """Slices that are deleted meanwhile are made again."""
        world.service()
        world.machine("m1", "192.0.2.7")
        await world.until(world.slices, "a slice")
        robbed = {"spec": {"holderIdentity": "thief", "leaseDurationSeconds": 3600}}
        world.patch("leases", LEASE, robbed)
        await world.until(lambda: not leader.leading, "the loss")
        for each in world.slices():
            world.delete("endpointslices", each["metadata"]["name"])
        world.machine("m2", "192.0.2.8")
        assert world.slices() == []
        world.patch("leases", LEASE, {"spec": {"holderIdentity": ""}})
        await world.until(lambda: world.addresses() == ["192.0.2.7", "192.0.2.8"], "both again")

    async def test_handed_over_at_an_orderly_end(
        self, client: KubeClient, world: World, leader: Replica
    ) -> None:
        async with replica(client, world.namespace, "b") as other:
            world.service()
            await world.until(lambda: world.lease()["holderIdentity"] == "a", "a's lease")
            assert not other.leading
            for number in range(5):
                world.machine(f"m{number}", f"192.0.2.{number + 1}")
            await leader.stop()
            await eventually(lambda: other.leading, "the handover", 2)
            await world.until(lambda: len(world.addresses()) == 5, "all machines")
            assert world.lease()["leaseTransitions"] == 1
            world.machine("m9", "192.0.2.9")
            await world.until(lambda: len(world.addresses()) == 6, "the new leader's work")

    async def test_taken_over_from_a_leader_that_is_cut_off(
        self, client: KubeClient, far: KubeClient, cut: CutProxy, world: World
    ) -> None:
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(replica(far, world.namespace, "a"))
            await eventually(lambda: first.leading, "the first to lead")
            second = await stack.enter_async_context(replica(client, world.namespace, "b"))
            await cut.cut()
            world.service()
            world.machine("m1", "192.0.2.7")
            both = False

            def handed_over() -> bool:
                nonlocal both
                both = both or (first.leading and second.leading)
                return second.leading

            await eventually(handed_over, "the second to lead", 20)
            assert not both
            assert not any(task.done() for task in first.tasks)
            await world.until(lambda: world.addresses() == ["192.0.2.7"], "the slice")
            cut.heal()
            await second.stop()
            await eventually(lambda: first.leading, "the first to lead again", 40)
