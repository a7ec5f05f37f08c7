"""Which of the endpoints an audience sees: by zone and by node. Ids of the catalogue: T129 to T135,
N11 to N14."""

from services.destination.index import Kind
from tests.support.destination.ledger import LEDGER, ledger
from tests.support.destination.world import World
from tests.support.objects import endpoint, node, pod, service


def dual() -> tuple[World, object, object]:
    world = World()
    v4 = ledger(endpoint("10.4.0.7", pod="a"), name="v4")
    v6 = ledger(endpoint("fd00:4::7", pod="a"), name="v6")
    world.apply(service("ledger"), pod("a", "fin", "10.4.0.7", "fd00:4::7"), v4, v6)
    return world, v4, v6


def zones(world: World) -> None:
    world.apply(node("n1", "z1"), node("n2", "z2"), node("n3"), kind=Kind.NODE)


def test_t131_t132_zones_before_families() -> None:
    world = World()
    zones(world)
    world.apply(service("ledger"), pod("a", "fin", "10.4.0.7", "fd00:4::7"))
    for hint, expected in (("z1", "add [fd00:4::7]:8080"), ("z2", "add 10.4.0.7:8080")):
        world.apply(
            ledger(endpoint("10.4.0.7", pod="a", hints=["z1"])),
            ledger(endpoint("fd00:4::7", pod="a", hints=[hint]), name="v6"),
        )
        assert world.get(LEDGER, node="n1").read() == [expected]


def test_t133_the_other_zone_is_nobodys_business() -> None:
    world = World()
    zones(world)
    mine, other = endpoint("192.0.2.1", hints=["z1"]), endpoint("192.0.2.2", hints=["z2"])
    world.apply(service("ledger"), ledger(mine, other))
    stream = world.get(LEDGER, node="n1")
    assert stream.read() == ["add 192.0.2.1:8080"]
    world.apply(ledger(mine))
    assert (stream.read(), stream.wakes) == ([], 0)


def test_n12_n13_n14_when_zones_do_not_filter() -> None:
    world = World()
    zones(world)
    hinted, other = endpoint("192.0.2.1", hints=["z2"]), endpoint("192.0.2.2", hints=["z3"])
    world.apply(service("ledger"), ledger(hinted, other))
    both = ["add 192.0.2.1:8080 192.0.2.2:8080"]
    nowhere = world.get(LEDGER, node="n3")
    assert nowhere.read() == both  # N12: the node has no zone
    assert nowhere.address("192.0.2.1:8080").metric_labels["zone_locality"] == "unknown"
    assert world.get(LEDGER, node="nowhere").read() == both
    assert world.get(LEDGER).read() == both
    assert world.get(LEDGER, node="n1").read() == both  # N14: nothing for this zone
    assert world.get(LEDGER, node="n2").read() == ["add 192.0.2.1:8080"]
    world.apply(ledger(hinted, endpoint("192.0.2.2")))
    assert world.get(LEDGER, node="n2").read() == both  # N13: not all are hinted


def test_t129_t130_hints_filter_and_are_not_told_themselves() -> None:
    world = World()
    zones(world)
    plain = [endpoint("192.0.2.1"), endpoint("192.0.2.2")]
    hinted = [endpoint("192.0.2.1", hints=["z1"]), endpoint("192.0.2.2", hints=["z2"])]
    world.apply(service("ledger"), ledger(*plain))
    here, anywhere = world.get(LEDGER, node="n1"), world.get(LEDGER)
    here.read(), anywhere.read()
    world.apply(ledger(*hinted))
    assert (here.read(), anywhere.read()) == (["remove 192.0.2.2:8080"], [])
    world.apply(ledger(*plain))
    assert (here.read(), anywhere.read()) == (["add 192.0.2.2:8080"], [])


def test_a_node_that_gets_its_zone_later() -> None:
    world = World()
    world.apply(service("ledger"), pod("a", "fin", "10.4.0.1"))
    world.apply(ledger(endpoint("10.4.0.1", pod="a", zone="z1")))
    stream = world.get(LEDGER, node="n1")
    stream.read()
    assert stream.address("10.4.0.1:8080").metric_labels["zone_locality"] == "unknown"
    zones(world)
    assert stream.read() == ["add 10.4.0.1:8080"]
    assert stream.address("10.4.0.1:8080").metric_labels["zone_locality"] == "local"


def local(*, policy: bool) -> World:
    world = World()
    world.apply(
        service("ledger", local=policy),
        pod("a", "fin", "10.4.0.1", node="n1"),
        pod("b", "fin", "10.4.0.2", node="n2"),
        ledger(endpoint("10.4.0.1", pod="a"), endpoint("10.4.0.2", pod="b"), endpoint("192.0.2.1")),
    )
    return world


def test_t134_local_traffic_stays_on_the_node() -> None:
    world = local(policy=True)
    stream = world.get(LEDGER, node="n1")
    assert stream.read() == ["add 10.4.0.1:8080"]
    world.apply(ledger(endpoint("10.4.0.1", pod="a")))
    assert stream.read() == []


def test_n11_local_traffic_from_nowhere_goes_nowhere() -> None:
    assert local(policy=True).get(LEDGER).read() == ["no_endpoints"]


def test_t135_the_policy_changes() -> None:
    world = local(policy=True)
    stream = world.get(LEDGER, node="n1")
    stream.read()
    world.apply(service("ledger"))
    assert stream.read() == ["add 10.4.0.2:8080 192.0.2.1:8080"]
    world.apply(service("ledger", local=True))
    assert stream.read() == ["remove 10.4.0.2:8080 192.0.2.1:8080"]
