"""Followers who come, sleep and go. Ids of the catalogue: T72, T77, N10, N22, N23."""

import asyncio
from typing import Any

import msgspec
import pytest

from linkerd.kube.events import Applied
from services.destination.index import Kind
from services.destination.index.ports import PortView
from tests.support.destination.ledger import LEDGER, ledger, two_pods
from tests.support.destination.world import EndpointStream, ProfileStream, World
from tests.support.objects import (
    endpoint,
    endpoint_address,
    endpoint_slice,
    endpoints,
    external_workload,
    node,
    owned,
    pod,
    server,
    service,
    service_profile,
    subset,
    traffic_split,
)


def test_what_was_encoded_for_versions_that_are_past_is_let_go() -> None:
    world = two_pods()
    stream = world.get(LEDGER)
    stream.read()
    (view,) = world.index.views.values()
    assert isinstance(view, PortView)
    (entry,) = view.audiences.values()
    assert entry.topic.state is not None
    (before,) = entry.topic.state
    assert before.memo
    world.apply(ledger())
    assert not before.memo


def test_the_last_follower_takes_everything_along() -> None:
    world = two_pods()
    streams = [world.get(LEDGER, node=name) for name in ("", "n1", "n2")]
    assert len(world.index.views) == 1
    assert len(world.index.home.facts) == 2
    for stream in streams:
        stream.subscription.close()
    assert not world.index.views
    assert not len(world.index.home.facts)
    assert not len(world.index.home.dependencies)
    world.apply(pod("a", "fin", "10.4.0.1", account="other"))


def test_a_follower_may_leave_while_another_is_woken() -> None:
    world = two_pods()
    first, second = world.get(LEDGER), world.get(LEDGER, node="n1")
    first.read(), second.read()
    first.subscription.on_wake(second.subscription.close)
    second.subscription.on_wake(first.subscription.close)
    world.apply(ledger())
    assert world.index.tally.failures == 0
    first.subscription.close()
    second.subscription.close()
    assert not world.index.views


def test_a_follower_of_another_view_may_leave_while_one_is_woken() -> None:
    world = two_pods()
    addresses, profile = world.get(LEDGER), world.profile(LEDGER)
    addresses.read(), profile.read()
    addresses.subscription.on_wake(profile.subscription.close)
    profile.subscription.on_wake(addresses.subscription.close)
    world.delete(service("ledger"))  # concerns both
    addresses.subscription.close()
    profile.subscription.close()
    assert (len(world.index.views), len(world.index.home.dependencies)) == (0, 0)


def test_topics_of_one_zone_share_their_sets() -> None:
    world = two_pods()
    world.get(LEDGER, node="n1"), world.get(LEDGER, node="n2")
    (view,) = world.index.views.values()
    assert isinstance(view, PortView)
    assert len({part for entry in view.audiences.values() for part in entry.topic.state or ()}) == 1


def test_t77_n10_a_slow_reader_gets_two_thousand_flaps_as_one_step() -> None:
    """There is no queue that could overflow: nobody is cut off, and nobody else is concerned."""
    world = two_pods()
    slow, fast = world.get(LEDGER), world.get(LEDGER)
    slow.read(), fast.read()
    a, b = endpoint("10.4.0.1", pod="a"), endpoint("10.4.0.2", pod="b")
    for _ in range(1_000):
        world.apply(ledger(a))
        assert fast.read() == ["remove 10.4.0.2:8080"]
        world.apply(ledger(a, b, endpoint("10.4.0.3", pod="missing")))
        assert fast.read() == ["add 10.4.0.2:8080"]
    world.apply(ledger(a))
    assert slow.wakes == 1
    assert slow.read() == ["remove 10.4.0.2:8080"]


async def test_t72_events_of_many_sources_at_once_are_all_told() -> None:
    """One loop takes them in turn; a reader that wakes at the end hears one message."""
    world = two_pods()
    stream = world.get(LEDGER)
    stream.read()
    listen = world.index.listener(Kind.SLICE)

    async def produce(number: int) -> None:
        for last in range(1, 11):
            ips = [f"192.0.{number}.{n}" for n in range(1, last + 1)]
            item = endpoint_slice(f"s{number}", "ledger", *map(endpoint, ips))
            listen([Applied(item)])
            await asyncio.sleep(0)

    await asyncio.gather(*map(produce, range(10)))
    assert len(stream.read()) == 1
    assert len(stream.sockets) == 102


EVERY_KIND: dict[Kind, Any] = {
    Kind.POD: pod("a", "fin", "10.4.0.1", owners=[("ReplicaSet", "r")], node="n1"),
    Kind.SERVICE: service("ledger", "fin", "10.96.0.1"),
    Kind.SLICE: endpoint_slice("ledger-1", "ledger", endpoint("10.4.0.1", pod="a")),
    Kind.ENDPOINTS: endpoints("ledger", subset(endpoint_address("10.4.0.1", pod="a"))),
    Kind.EXTERNAL_WORKLOAD: external_workload("m", "fin", "192.0.2.40"),
    Kind.NODE: node("n1", "z1"),
    Kind.REPLICA_SET: owned("r", "fin", ("Deployment", "d")),
    Kind.JOB: owned("j", "fin", ("CronJob", "c")),
    Kind.SERVER: server("s", 8080, selects={}),
    Kind.PROFILE: service_profile("ledger.fin.svc.mesh.test"),
    Kind.SPLIT: traffic_split("s", "ledger", v1=1),
}


@pytest.mark.parametrize("kind", list(Kind))
def test_n22_anything_may_go_without_a_word_or_go_twice(kind: Kind) -> None:
    """Deletions that nobody saw come as what was last known, however old; or of nothing known."""
    world = World()
    gone = EVERY_KIND[kind]
    world.delete(gone, kind=kind)
    alternative = Kind.SLICE if kind is Kind.ENDPOINTS else Kind.ENDPOINTS
    for other, item in EVERY_KIND.items():
        if other is not alternative:
            world.apply(item, kind=other)
    profiles = map(world.profile, (LEDGER, "10.4.0.1:8080"))
    followed: list[EndpointStream | ProfileStream] = [world.get(LEDGER, node="n1"), *profiles]
    metadata = msgspec.structs.replace(gone.metadata, resource_version="1")
    for _ in range(2):
        world.delete(msgspec.structs.replace(gone, metadata=metadata), kind=kind)
    for stream in followed:
        stream.read()
    assert world.index.tally.failures == 0


def test_n23_a_list_of_the_same_objects_is_no_message() -> None:
    world = World()
    without = {Kind.ENDPOINTS}
    for kind, item in EVERY_KIND.items():
        if kind not in without:
            world.apply(item, kind=kind)
    paths = ["10.4.0.1:8080", "192.0.2.40:8080", "10.96.0.1:8080", LEDGER]
    endpoints_ = world.get(LEDGER, node="n1")
    followed: list[EndpointStream | ProfileStream] = [endpoints_, *map(world.profile, paths)]
    for stream in followed:
        assert stream.read()
    for kind, item in EVERY_KIND.items():
        if kind not in without:
            metadata = msgspec.structs.replace(item.metadata, resource_version="999999")
            world.apply(msgspec.structs.replace(item, metadata=metadata), kind=kind)
            world.apply(item, kind=kind)
    assert not any(stream.read() for stream in followed)
    assert endpoints_.wakes == 0
