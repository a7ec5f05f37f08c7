"""TrafficSplits of services: who gets which share, and which of several counts."""

from typing import Any

from structlog.testing import capture_logs

from linkerd.stubs.proxy import destination_pb2 as pb
from tests.support.destination.world import World
from tests.support.objects import (
    endpoint,
    endpoint_slice,
    pod,
    service,
    service_profile,
    traffic_split,
)

FQN = "ledger.fin.svc.mesh.test"
OVERRIDES = [{"authority": "mine.fin.svc.mesh.test", "weight": "1"}]


def shares(profile: pb.DestinationProfile) -> dict[str, int]:
    return {item.authority: item.weight for item in profile.dst_overrides}


def split_world() -> World:
    world = World()
    world.apply(service("ledger", "fin", "10.96.3.3"))
    return world


def test_shares_in_both_spellings_by_name_and_by_ip() -> None:
    world = split_world()
    spellings: list[dict[str, Any]] = [{"v1": "900m", "v2": "100m"}, {"v1": 9, "v2": 1}]
    for weights in spellings:
        world.apply(traffic_split("s", "ledger", **weights))
        unit = 10 if "900m" in weights.values() else 10_000
        for path in (f"{FQN}:8080", "10.96.3.3:8080"):
            assert shares(world.profile(path).one()) == {
                "v1.fin.svc.mesh.test:8080": int(str(weights["v1"]).rstrip("m")) * unit,
                "v2.fin.svc.mesh.test:8080": int(str(weights["v2"]).rstrip("m")) * unit,
            }


def test_a_split_comes_changes_moves_and_goes() -> None:
    world = split_world()
    stream = world.profile(f"{FQN}:8080")
    assert shares(stream.one()) == {}
    world.apply(traffic_split("s", "ledger", v1=1))
    assert shares(stream.one()) == {"v1.fin.svc.mesh.test:8080": 10_000}
    world.apply(traffic_split("s", "ledger", v1=1))
    assert stream.read() == []
    world.apply(traffic_split("s", "ledger", v1=3, v2=1))
    assert len(shares(stream.one())) == 2
    world.apply(traffic_split("s", "vault", v1=3))
    assert shares(stream.one()) == {}
    world.apply(traffic_split("s", "ledger", v2=1))
    assert len(shares(stream.one())) == 1
    world.delete(traffic_split("s", "ledger", v2=1))
    said = stream.one()
    assert shares(said) == {}
    assert said.fully_qualified_name == FQN


def test_a_profile_with_overrides_goes_before() -> None:
    world = split_world()
    world.apply(traffic_split("s", "ledger", v1=1), service_profile(FQN, dstOverrides=OVERRIDES))
    stream = world.profile(f"{FQN}:8080")
    assert list(shares(stream.one())) == ["mine.fin.svc.mesh.test:8080"]
    routes = [{"name": "list", "condition": {"method": "GET"}}]
    world.apply(service_profile(FQN, routes=routes))
    said = stream.one()
    assert list(shares(said)) == ["v1.fin.svc.mesh.test:8080"]
    assert [route.metrics_labels["route"] for route in said.routes] == ["list"]
    assert said.profile_ref.resource.name == FQN


def test_of_two_splits_the_older_counts_and_the_other_takes_over() -> None:
    world = split_world()
    old = traffic_split("z-old", "ledger", created="2026-01-01T00:00:00Z", old=1)
    new = traffic_split("a-new", "ledger", created="2026-01-02T00:00:00Z", new=1)
    stream = world.profile(f"{FQN}:8080")
    stream.read()
    with capture_logs() as logs:
        world.apply(new)
        assert list(shares(stream.one())) == ["new.fin.svc.mesh.test:8080"]
        world.apply(old)
        assert list(shares(stream.one())) == ["old.fin.svc.mesh.test:8080"]
    (said,) = logs
    assert (said["kind"], said["name"]) == ("TrafficSplit", "a-new")
    assert "z-old" in said["error"]
    world.delete(old)
    assert list(shares(stream.one())) == ["new.fin.svc.mesh.test:8080"]


def test_of_two_splits_of_one_second_the_first_by_name_counts() -> None:
    for names in (("a", "b"), ("b", "a")):
        world = split_world()
        for name in names:
            backend: dict[str, Any] = {name: 1}
            world.apply(traffic_split(name, "ledger", **backend))
        with capture_logs():
            said = world.profile(f"{FQN}:8080").one()
        assert list(shares(said)) == ["a.fin.svc.mesh.test:8080"]


def test_what_means_nothing_is_told_and_splits_nothing() -> None:
    odd: list[dict[str, Any]] = [{"v1": "heavy"}, {"v1": -1}, {"Not a name": 1, "v2": 1}]
    for backends in odd:
        world = split_world()
        world.apply(traffic_split("s", "ledger", **backends))
        with capture_logs() as logs:
            said = world.profile(f"{FQN}:8080").one()
        assert shares(said) == {}
        (complaint,) = logs
        assert complaint["error"].startswith("spec: spec.backends: ")


def test_a_split_without_backends_splits_nothing() -> None:
    world = split_world()
    world.apply(traffic_split("s", "ledger"))
    assert shares(world.profile(f"{FQN}:8080").one()) == {}


def test_weights_keep_within_what_proxies_add_up() -> None:
    world = split_world()
    world.apply(traffic_split("s", "ledger", v1="1G", v2="3G"))
    one, three = world.profile(f"{FQN}:8080").one().dst_overrides  # the reader checks the sum
    assert round(three.weight / one.weight) == 3


def test_other_namespaces_and_lookups_of_pods_are_not_concerned() -> None:
    world = split_world()
    backed = endpoint("10.4.0.7", pod="a", hostname="a")
    world.apply(pod("a", "fin", "10.4.0.7"), endpoint_slice("l", "ledger", backed))
    world.apply(traffic_split("s", "ledger", namespace="ops", v1=1))
    assert shares(world.profile(f"{FQN}:8080").one()) == {}
    world.apply(traffic_split("s", "ledger", v1=1))
    for path in ("10.4.0.7:8080", f"a.{FQN}:8080"):
        assert shares(world.profile(path).one()) == {}


def test_a_leaf_may_be_split_itself_and_share_with_itself() -> None:
    world = split_world()
    world.apply(service("v1"), traffic_split("s", "ledger", ledger=1, v1=1))
    world.apply(traffic_split("t", "v1", v2=1))
    assert len(shares(world.profile(f"{FQN}:8080").one())) == 2
    assert len(shares(world.profile("v1.fin.svc.mesh.test:8080").one())) == 1
