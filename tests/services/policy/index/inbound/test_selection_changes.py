"""What Servers select, after they have changed in what they do not select by."""

import pytest

from services.policy.index.kinds import Kind
from tests.support.policy.inbound import World


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
