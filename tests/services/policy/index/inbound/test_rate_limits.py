"""How often a Server may be called."""

from typing import Any

import pytest

from services.policy.index.kinds import Kind
from tests.support.policy.inbound import World, plain
from tests.support.policy.objects import POLICY

_ACCEPTED = {"conditions": [{"type": "Accepted", "status": "True"}]}
_JAM = {"kind": "ServiceAccount", "name": "jam"}
_SPEC = {
    "targetRef": {"group": POLICY, "kind": "Server", "name": "web"},
    "total": {"requestsPerSecond": 50},
    "identity": {"requestsPerSecond": 5},
    "overrides": [{"requestsPerSecond": 9, "clientRefs": [_JAM]}],
}


def _world(**server: Any) -> World:
    world = World()
    world.pod()
    world.server(**server)
    return world


def _limit(world: World) -> Any:
    return plain(world.told().protocol.detect).get("http_local_rate_limit")


def test_i52_a_limit_that_is_accepted_is_told() -> None:
    world = _world()
    world.put(Kind.RATE_LIMIT_POLICY, "calm", _SPEC, status=_ACCEPTED)
    jam = "jam.fin.serviceaccount.identity.linkerd.cluster.local"
    kind = "HTTPLocalRateLimitPolicy"
    assert _limit(world) == {
        "metadata": {"resource": {"group": POLICY, "kind": kind, "name": "calm"}},
        "total": {"requestsPerSecond": 50},
        "identity": {"requestsPerSecond": 5},
        "overrides": [
            {"limit": {"requestsPerSecond": 9}, "clients": {"identities": [{"name": jam}]}}
        ],
    }


@pytest.mark.parametrize("status", [pytest.param({}, id="i53"), {"conditions": []}])
def test_a_limit_that_nobody_has_accepted_is_none(status: Any) -> None:
    world = _world()
    world.put(Kind.RATE_LIMIT_POLICY, "calm", _SPEC, status=status)
    assert _limit(world) is None


@pytest.mark.parametrize(
    ("protocol", "has_limit"),
    [
        ("unknown", True),
        ("HTTP/1", True),
        ("HTTP/2", True),
        pytest.param("gRPC", False, id="i54"),
        ("opaque", False),
        ("TLS", False),
    ],
)
def test_limits_are_for_servers_that_speak_http(protocol: str, has_limit: bool) -> None:
    world = _world(proxyProtocol=protocol)
    world.put(Kind.RATE_LIMIT_POLICY, "calm", _SPEC, status=_ACCEPTED)
    assert ("requestsPerSecond" in str(world.told().protocol)) is has_limit


def test_of_several_limits_the_oldest_counts() -> None:
    world = _world()
    follower = world.follow()

    def name() -> str:
        return follower.told.protocol.detect.http_local_rate_limit.metadata.resource.name

    world.put(Kind.RATE_LIMIT_POLICY, "undated", _SPEC, status=_ACCEPTED)
    assert name() == "undated"
    world.put(Kind.RATE_LIMIT_POLICY, "b", _SPEC, status=_ACCEPTED, created="2026-01-02")
    assert name() == "b"
    old = world.put(Kind.RATE_LIMIT_POLICY, "c", _SPEC, status=_ACCEPTED, created="2026-01-01")
    assert name() == "c"
    world.remove(Kind.RATE_LIMIT_POLICY, old)
    assert name() == "b"


def test_a_limit_may_move_to_another_server() -> None:
    world = _world()
    world.put(Kind.RATE_LIMIT_POLICY, "calm", _SPEC, status=_ACCEPTED)
    follower = world.follow()
    assert follower.told.protocol.detect.HasField("http_local_rate_limit")
    target = {"targetRef": {"group": POLICY, "kind": "Server", "name": "api"}}
    world.put(Kind.RATE_LIMIT_POLICY, "calm", _SPEC | target, status=_ACCEPTED)
    assert not follower.told.protocol.detect.HasField("http_local_rate_limit")
