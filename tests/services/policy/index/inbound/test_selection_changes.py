"""What Servers select, after they have changed in what they do not select by."""

from random import Random

import pytest
from structlog.testing import capture_logs

from linkerd.kube.events import Applied, Deleted
from services.policy.index.kinds import Kind
from tests.support.indexes.paces import AnyPace
from tests.support.policy.inbound import World, make_index
from tests.support.policy.objects import item


@pytest.mark.parametrize("end", ["goes", "moves"])
def test_a_server_that_changed_its_protocol_lets_go_of_its_port(end: str) -> None:
    world = World()
    world.pod()
    follower = world.follow(8080)
    world.server()
    changed = world.server(proxyProtocol="opaque")
    assert follower.told.labels["name"] == "web"
    if end == "goes":
        world.remove(Kind.SERVER, changed)
    else:
        world.server(port=9090)
    assert follower.told.labels["name"] == "all-unauthenticated"
    assert world.index.tally.failures == 0


def test_pods_change_and_their_server_goes_before_all_streams_have_moved() -> None:
    pace = AnyPace(Random(0))
    world = World()
    world.index = make_index(pace=pace)
    for number in range(50):
        world.pod(f"web-{number}")
    server = world.server()
    pace.finish()
    followers = [world.follow(8080, f"web-{number}") for number in range(50)]
    assert {follower.told.labels["name"] for follower in followers} == {"web"}
    for number in range(50):
        changed = item(Kind.POD, f"web-{number}", {"containers": []}, labels={"app": "web"})
        world.index.apply(Kind.POD, Applied(changed))
    world.index.apply(Kind.SERVER, Deleted(server))
    world.index.flush()
    pace.finish()
    assert {follower.told.labels["name"] for follower in followers} == {"all-unauthenticated"}
    assert world.index.tally.failures == 0


def test_a_server_without_its_ports_is_complained_of_once_for_all_workloads() -> None:
    world = World()
    for number in range(6):
        world.pod(f"web-{number}", labels={"app": "ab"[number % 2], "number": str(number)})
    for app in "ab":
        world.server(app, podSelector={"matchLabels": {"app": app}}, created="2026-01-01")
    with capture_logs() as logs:
        world.server("late", created="2026-02-01")
    (entry,) = logs
    assert (entry["name"], entry["error"]) == (
        "late",
        "spec.port: ports that it selects belong to other Servers: a, b",
    )
